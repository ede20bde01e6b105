from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from fiqa.core.errors import DataError
from fiqa.core.types import ComparisonScores, PairSet
from fiqa.evaluate.verification import Verification, verify


def compared(similarity, *, folds=True) -> ComparisonScores:
    """Pairs 2k and 2k + 1 of fold k, the first mated, the second not."""
    n = len(similarity)
    ids = np.array([f"s{row:03}" for row in range(n + 1)])
    mated = np.arange(n) % 2 == 0
    pairs = PairSet(ids, np.arange(n), np.arange(1, n + 1), mated, np.arange(n) // 2 if folds else None)
    return ComparisonScores(pairs, np.array(similarity, np.float32), "made-up")


def test_by_hand() -> None:
    given = compared([0.9, 0.1, 0.8, 0.2, 0.3, 0.25])
    found = verify("list", given, compared([0.9, 0.1, 0.8, 0.2, 0.1, 0.3]), fmr=0.4, n_dropped=2)
    # without fold 0, .3, with .25 rejected, is the best threshold of fold 1 and 2; without fold 2 it is .8
    assert (found.as_given.accuracy, found.as_given.equal_error_rate) == (pytest.approx(5 / 6), 0)
    assert found.as_given.accuracy_std == pytest.approx(np.std([1, 1, 0.5], ddof=1))
    assert (found.as_given.fnmr, found.swapped.fnmr) == (0, pytest.approx(1 / 3))
    assert found.as_given.threshold == pytest.approx(0.2, abs=1e-6)
    assert (found.n_images, found.n_mated, found.n_non_mated, found.n_dropped) == (7, 3, 3, 2)
    assert (found.benchmark, found.recogniser, found.fmr) == ("list", "made-up", 0.4)
    assert (found.only_as_given, found.only_swapped) == (1, 0)
    assert found.as_given.separation == pytest.approx(
        (2 / 3 - 0.55 / 3) / np.sqrt((np.var([0.9, 0.8, 0.3]) + np.var([0.1, 0.2, 0.25])) / 2)
    )


def spread(gap: float, seed: int = 0) -> list[float]:
    """Similarities in ten folds whose two kinds lie so far apart, one fold somewhat more than another."""
    rng = np.random.default_rng(seed)
    return [(gap if row % 2 == 0 else 0) + one for row, one in enumerate(rng.normal(size=20))]


def margins(similarity) -> np.ndarray:
    """How far each pair lies on its right side, by loops."""
    mated, other = similarity[::2], similarity[1::2]
    high, low = sum(mated) / len(mated), sum(other) / len(other)
    variances = [
        sum((one - mean) ** 2 for one in kind) / len(kind) for kind, mean in ((mated, high), (other, low))
    ]
    unit = (sum(variances) / 2) ** 0.5
    signs = [1, -1] * len(mated)
    return np.array(
        [sign * (one - (high + low) / 2) / unit for sign, one in zip(signs, similarity, strict=True)]
    )


def test_separation_and_its_probability_against_loops() -> None:
    near, far = spread(1.0, seed=1), spread(1.2, seed=5)
    found = verify("list", compared(near), compared(far), fmr=0.1)
    assert found.as_given.separation == pytest.approx(2 * margins(near).mean(), rel=1e-5)
    assert found.swapped.separation == pytest.approx(2 * margins(far).mean(), rel=1e-5)
    folds = [(margins(far) - margins(near))[row : row + 2].mean() for row in range(0, 20, 2)]
    expected = ttest_1samp(folds, 0, alternative="greater").pvalue
    assert found.p_swapped == pytest.approx(expected, rel=1e-4)
    assert 0.1 < found.p_swapped < 0.9


def test_exchanged_colours_warn_one_way_alone() -> None:
    near, far = compared(spread(1)), compared([one / 10 for one in spread(50)])
    found = verify("list", near, far, fmr=0.1)
    assert found.p_swapped < 0.01
    assert found.warnings[0].startswith("made-up on list: exchanging red and blue sets mated and non-mated")
    assert found.warnings[0].endswith("the crops or the contract seem to have red and blue exchanged")
    back = verify("list", far, near, fmr=0.1)
    assert back.p_swapped > 0.99
    assert back.warnings == ()
    assert (back.as_given, back.only_as_given) == (found.swapped, found.only_swapped)
    same = verify("list", near, near, fmr=0.1)
    assert (same.p_swapped, same.only_as_given, same.only_swapped) == (1, 0, 0)
    assert same.warnings == ()


def test_a_better_separation_with_a_lower_accuracy_is_no_warning() -> None:
    found = verify("list", compared(spread(1)), compared(spread(2)), fmr=0.1)
    rates = replace(found.as_given, accuracy=0.9), replace(found.swapped, accuracy=0.89)
    assert not replace(found, p_swapped=1e-9, as_given=rates[0], swapped=rates[1]).warnings
    assert replace(found, p_swapped=1e-9, as_given=rates[0], swapped=rates[0]).warnings
    assert not replace(found, p_swapped=0.02, as_given=rates[1], swapped=rates[0]).warnings


def test_there_and_back_through_json() -> None:
    found = verify("list", compared(spread(1)), compared(spread(5)), fmr=0.1)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["warnings"] == list(found.warnings)
    assert Verification.from_dict({**values, "provenance": {}}) == found
    for name in ("as_given", "fmr"):
        with pytest.raises(DataError, match=f"no verification of a recogniser: KeyError\\('{name}'"):
            Verification.from_dict({key: value for key, value in values.items() if key != name})
    with pytest.raises(DataError, match="no verification of a recogniser"):
        Verification.from_dict({**values, "swapped": {"accuracy": 1}})


def test_what_cannot_be_verified_is_told() -> None:
    one = compared(spread(1))
    with pytest.raises(DataError, match="the same pairs twice"):
        verify("list", one, compared(spread(1)[:-2]), fmr=0.1)
    turned = replace(one, pairs=replace(one.pairs, mated=~one.pairs.mated))
    with pytest.raises(DataError, match="the same pairs twice"):
        verify("list", one, turned, fmr=0.1)
    with pytest.raises(DataError, match="two folds or more"):
        verify("list", compared(spread(1), folds=False), compared(spread(1), folds=False), fmr=0.1)
    with pytest.raises(DataError, match="all pairs of a kind are equally similar by made-up"):
        verify("list", one, compared([0.9, 0.1] * 10), fmr=0.1)
