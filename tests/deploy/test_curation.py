from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import QualityScores, SampleSet
from fiqa.deploy.curation import curate


def decide(subjects, quality, duplicates=None, *, keep, minimum):
    ids = np.array([f"i{n}" for n in range(len(subjects))], np.str_)
    samples = SampleSet(ids, np.array(list(subjects), np.str_))
    repeats = np.full(len(ids), -1) if duplicates is None else np.array(duplicates)
    scores = QualityScores(ids, np.array(quality, float), "m")
    return curate(samples, scores, repeats, keep=keep, min_per_subject=minimum)


def test_by_hand():
    found = decide("aaaaab", [1, 2, 3, 4, 5, 0], [-1, -1, -1, -1, 3, -1], keep=0.6, minimum=1)
    # five are distinct: floor(0.4 * 5) = 2 of them go, i5 alone is needed
    assert found.threshold == 2
    assert found.decisions.tolist() == ["drop", "keep", "keep", "keep", "drop", "flag"]
    assert found.reasons.tolist() == [
        *("low quality", "", "", "", "near-duplicate of i3", "low quality, needed for the minimum"),
    ]
    assert found.kept.tolist() == [False, True, True, True, False, True]
    assert found.distinct.tolist() == [True, True, True, True, False, True]


def test_the_minimum_is_filled_by_low_quality_first_and_then_by_repeats():
    found = decide(
        "aaaa" + "b" * 6, [9, 8, 1, 2, *range(3, 9)], [-1, 0, 3, -1] + [-1] * 6, keep=0.8, minimum=3
    )
    assert found.decisions[:4].tolist() == ["keep", "flag", "drop", "flag"]
    assert found.reasons[1] == "near-duplicate of i0, needed for the minimum"


def test_ties_stay_together():
    found = decide("abcd", [1, 1, 1, 2], keep=0.5, minimum=0)
    assert found.threshold == 1
    assert set(found.decisions) == {"keep"}


def test_shares_are_whole_numbers():
    for keep, dropped in ((1.0, 0), (0.9, 1), (0.7, 3), (0.71, 2)):
        found = decide("abcdefghij", range(10), keep=keep, minimum=0)
        assert (found.decisions == "drop").sum() == dropped


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 6)), min_size=1, max_size=30),
    st.floats(0.05, 1),
    st.integers(0, 4),
    st.integers(0, 3),
)
def test_what_always_holds(rows, keep, minimum, seed):
    subjects, quality = (np.array(column) for column in zip(*rows, strict=True))
    rng = np.random.default_rng(seed)
    repeats = np.full(len(rows), -1)
    for row in range(len(rows)):
        better = np.flatnonzero((subjects == subjects[row]) & (quality > quality[row]) & (repeats < 0))
        if better.size and rng.random() < 0.3 and row not in repeats:
            repeats[row] = better[0]
    found = decide(subjects, quality, repeats, keep=keep, minimum=minimum)
    low = quality < found.threshold
    distinct = repeats < 0
    np.testing.assert_array_equal(found.decisions == "keep", distinct & ~low)
    assert (found.reasons[found.decisions == "keep"] == "").all()
    assert (distinct & low).sum() <= (1 - keep) * distinct.sum() + 1e-9
    for subject in np.unique(subjects):
        own = subjects == subject
        assert found.kept[own].sum() >= min(minimum, own.sum())
        if (found.decisions[own] == "flag").any():
            assert found.kept[own].sum() == min(minimum, own.sum())


def test_what_is_refused():
    with pytest.raises(SettingsError, match=r"keep in \(0, 1\] and a minimum of 0 or more, got 0 and 3"):
        decide("a", [1], keep=0, minimum=3)
    with pytest.raises(SettingsError, match="got 1 and -1"):
        decide("a", [1], keep=1, minimum=-1)
    with pytest.raises(DataError, match="no samples to choose from"):
        decide("", [], keep=1, minimum=0)
