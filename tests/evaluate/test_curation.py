from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import TooFewError
from fiqa.core.types import ComparisonScores, PairSet, SampleSet
from fiqa.evaluate.curation import error_at, fnmr_within, losses, prove


@pytest.fixture
def made(rng):
    """60 subjects with 6 images; an image in three is bad, and its comparisons are like non-mated ones."""
    subjects = np.repeat(np.arange(60), 6)
    ids = np.array([f"{n:03}" for n in range(360)])
    good = np.arange(360) % 3 > 0
    first, second = np.triu_indices(360, 1)
    mated = subjects[first] == subjects[second]
    both = good[first] & good[second]
    similarity = rng.normal(0, 0.1, len(first)) + np.where(mated, np.where(both, 0.8, 0.2), 0)
    pairs = PairSet(ids, first.astype(np.int32), second.astype(np.int32), mated)
    comparisons = ComparisonScores(pairs, similarity.astype(np.float32), "made")
    return comparisons, SampleSet(ids, subjects.astype(np.str_)), good


def test_error_at_by_hand():
    pairs = PairSet(
        np.array(list("abcd")),
        np.array([0, 0, 1, 2, 0], np.int32),
        np.array([1, 2, 2, 3, 3], np.int32),
        np.array([True, True, True, False, False]),
    )
    comparisons = ComparisonScores(pairs, np.array([0.9, 0.5, 0.1, 0.3, 0.2], np.float32), "hand")
    everything = error_at(comparisons, np.ones(4, bool), fmr=0.4)
    assert (everything.n_samples, everything.n_mated, everything.n_non_mated) == (4, 3, 2)
    assert everything.threshold == pytest.approx(0.3, abs=1e-6)
    assert everything.fnmr == pytest.approx(1 / 3)
    fewer = error_at(comparisons, np.array([True, True, False, True]), fmr=0.4)
    assert (fewer.n_mated, fewer.n_non_mated, fewer.fnmr) == (1, 1, 0)
    assert fnmr_within(comparisons, np.array([False, True, True, True]), threshold=0.3) == 1
    assert fnmr_within(comparisons, np.array([False, False, True, True]), threshold=0.3) is None
    with pytest.raises(TooFewError, match="0 mated and 0 non-mated comparisons are left among 1 samples"):
        error_at(comparisons, np.array([True, False, False, False]), fmr=0.4)


def test_a_good_choice_beats_chance_and_a_random_one_does_not(made, rng):
    comparisons, samples, good = made
    settings = {"distinct": np.ones(360, bool), "fmr": 1e-3, "draws": 39}
    better = prove(comparisons, samples, kept=good, **settings, rng=rng)
    assert better.curated.n_samples == 240
    assert better.curated.fnmr < 0.01 < better.random.low <= better.random.estimate <= better.random.high
    assert better.before == better.distinct
    assert better.p_value == 1 / 40
    assert better.random.estimate == pytest.approx(better.before.fnmr, abs=0.05)
    worse = prove(comparisons, samples, kept=np.arange(360) % 3 < 2, **settings, rng=rng)
    assert worse.curated.fnmr > worse.random.high
    assert worse.p_value == 1


def test_random_choices_are_as_large_for_each_subject_and_seeded(made, monkeypatch):
    from fiqa.evaluate import curation as module

    comparisons, samples, good = made
    kept = good & (np.arange(360) != 4)
    distinct = np.arange(360) != 7
    seen = []

    def watch(comparisons, chosen, *, fmr):
        seen.append(chosen)
        return error_at(comparisons, chosen, fmr=fmr)

    monkeypatch.setattr(module, "error_at", watch)
    codes = samples.subject_codes()
    first, second = (
        prove(
            *(comparisons, samples),
            distinct=distinct,
            kept=kept,
            fmr=0.01,
            draws=5,
            rng=np.random.default_rng(3),
        )
        for _ in range(2)
    )
    assert first == second
    drawn = seen[:5]
    assert len({chosen.tobytes() for chosen in drawn}) == 5
    for chosen in drawn:
        assert not (chosen & ~distinct).any()
        np.testing.assert_array_equal(np.bincount(codes[chosen]), np.bincount(codes[kept]))


def test_caveats(made, rng):
    comparisons, samples, good = made
    settings = {"kept": good, "draws": 1, "rng": rng}
    coarse = prove(comparisons, samples, distinct=np.ones_like(good), fmr=1e-6, **settings)
    assert [one.code for one in coarse.caveats] == ["fmr_unresolved"]
    few = prove(comparisons, samples, distinct=good, fmr=0.01, **settings)
    assert [one.code for one in few.caveats] == ["few_errors"]
    assert "of 360 mated comparisons fail before, fewer than 10" in few.caveats[0].message


def test_losses_by_hand():
    names = np.array(["b", "a", "a", "", "b", "b"])
    dropped = np.array([1, 0, 1, 1, 0, 0], bool)
    flagged = np.array([0, 1, 0, 0, 0, 0], bool)
    first, second = losses(names, np.array([1.0, 2, 4, 9, 2, 3]), dropped=dropped, flagged=flagged)
    assert (first.name, first.n_samples, first.n_dropped, first.n_flagged) == ("a", 2, 1, 1)
    assert (first.share, first.mean_score) == (0.5, 3)
    assert (second.name, second.share, second.mean_score) == ("b", pytest.approx(1 / 3), 2)
