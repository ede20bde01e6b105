from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import ComparisonScores, PairSet
from fiqa.evaluate.error_rates import verification_accuracy
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
    assert found.swapped.accuracy < found.as_given.accuracy
    assert found.warnings == ()


def worse(count: int) -> list[float]:
    """Similarities of ten folds in which so many non-mated pairs are accepted."""
    return [0.1 if row % 2 else 0.9 for row in range(20 - 2 * count)] + [0.9] * (2 * count)


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_a_swap_warns_when_it_puts_more_pairs_right_than_chance(count) -> None:
    found = verify("list", compared(worse(count)), compared(worse(0)), fmr=0.1)
    assert found.p_swapped == pytest.approx(0.5**count)
    assert bool(found.warnings) == (count == 5)
    if found.warnings:
        assert found.warnings[0] == (
            "made-up on list: exchanging red and blue raises the accuracy from 75.00% to 100.00% (p = 0.03): "
            "the crops or the contract seem to have red and blue exchanged"
        )
    back = verify("list", compared(worse(0)), compared(worse(count)), fmr=0.1)
    assert back.p_swapped == 1
    assert back.warnings == ()


def test_the_probability_against_a_sum_over_pairs(rng) -> None:
    given, swapped = (compared(rng.normal(size=60)) for _ in range(2))
    right = []
    for one in (given, swapped):
        thresholds = verification_accuracy(one).thresholds
        right.append([(s >= thresholds[row // 2]) == (row % 2 == 0) for row, s in enumerate(one.similarity)])
    gained = sum(b and not a for a, b in zip(*right, strict=True))
    differing = sum(a != b for a, b in zip(*right, strict=True))
    expected = sum(comb(differing, k) for k in range(gained, differing + 1)) / 2**differing
    assert verify("list", given, swapped, fmr=0.1).p_swapped == pytest.approx(expected)


def test_there_and_back_through_json() -> None:
    found = verify("list", compared(worse(5)), compared(worse(0)), fmr=0.1)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["warnings"] == list(found.warnings)
    assert Verification.from_dict({**values, "provenance": {}}) == found
    for name in ("as_given", "fmr"):
        with pytest.raises(DataError, match=f"no verification of a recogniser: KeyError\\('{name}'"):
            Verification.from_dict({key: value for key, value in values.items() if key != name})
    with pytest.raises(DataError, match="no verification of a recogniser"):
        Verification.from_dict({**values, "swapped": {"accuracy": 1}})


def test_what_cannot_be_verified_is_told() -> None:
    with pytest.raises(DataError, match="the same pairs twice"):
        verify("list", compared(worse(0)), compared(worse(0)[:-2]), fmr=0.1)
    with pytest.raises(DataError, match="two folds or more"):
        verify("list", compared(worse(0), folds=False), compared(worse(0), folds=False), fmr=0.1)
