from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import ComparisonScores, PairSet
from fiqa.evaluate.error_rates import (
    det,
    fmr_at,
    fnmr_at,
    threshold_at_fmr,
    threshold_at_fnmr,
    verification_accuracy,
)
from synthetic import make_comparisons, make_samples

NON_MATED = np.array([0.1, 0.5, 0.3, 0.3, 0.2], dtype=np.float32)
MATED = np.array([0.4, 0.25, 0.9], dtype=np.float32)


def scores_of(similarity, mated, folds=None) -> ComparisonScores:
    n = len(similarity)
    ids = np.array([f"s{row}" for row in range(2 * n)])
    pairs = PairSet(ids, np.arange(n), np.arange(n, 2 * n), np.array(mated), folds)
    return ComparisonScores(pairs, np.array(similarity), "made-up")


@pytest.mark.parametrize(
    ("fmr", "rejected", "accepted"),
    [
        (0.1, 0.5, 0.51),  # below 1/n: above all of them
        (0.2, 0.3, 0.31),  # one of five may pass
        (0.39, 0.3, 0.31),
        (0.4, 0.3, 0.31),  # the second of two tied ones would make three: the tie is rejected whole
        (0.6, 0.2, 0.21),
        (0.8, 0.1, 0.11),
    ],
)
def test_threshold_is_the_lowest_that_keeps_the_target(fmr, rejected, accepted) -> None:
    threshold = threshold_at_fmr(NON_MATED, fmr)
    assert np.float32(rejected) < threshold <= np.float32(accepted)
    assert fmr_at(NON_MATED, threshold) <= fmr
    assert fmr_at(NON_MATED, float(np.nextafter(np.float32(threshold), np.float32(-1)))) > fmr


def test_rules_of_published_evaluations() -> None:
    # FMR of the observed thresholds: .1 -> 1, .2 -> .8, .25 -> .6, .3 -> .6, .4 -> .2, .5 -> .2, .9 -> 0
    def at(fmr, rule):
        return threshold_at_fmr(NON_MATED, fmr, rule=rule, mated=MATED)

    assert at(0.55, "nearest") == np.float32(0.25)
    assert at(0.05, "nearest") == np.float32(0.9)
    assert at(0.1, "nearest") == np.float32(0.4)  # .2 and 0 are equally near: the lower threshold
    assert at(0.55, "above_nearest") == np.nextafter(np.float32(0.25), np.float32(1))
    assert at(0.25, "index") == np.nextafter(np.float32(0.3), np.float32(1))  # floor(.25 * 4) = 1
    assert at(0.24, "index") == np.nextafter(np.float32(0.5), np.float32(1))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=40), st.sampled_from([0.01, 0.1, 0.25, 1 / 3, 0.5, 0.9])
)
def test_threshold_against_trying_all(scores, fmr) -> None:
    non_mated = np.array(scores, dtype=np.float32)
    threshold = threshold_at_fmr(non_mated, fmr)
    allowed = [t for t in range(22) if sum(score >= t for score in scores) <= fmr * len(scores) + 1e-9]
    lowest = min(allowed)
    assert np.array_equal(non_mated >= threshold, non_mated >= lowest)


def test_threshold_at_fnmr_is_the_highest_that_keeps_the_target() -> None:
    mated = np.array([0.5, 0.5, 0.7, 0.9])
    assert threshold_at_fnmr(mated, 0.0) == 0.5
    assert threshold_at_fnmr(mated, 0.25) == 0.5
    assert threshold_at_fnmr(mated, 0.5) == 0.7
    assert fnmr_at(mated, 0.7) == 0.5


def test_refusals_name_the_trouble() -> None:
    with pytest.raises(DataError, match="give a threshold"):
        threshold_at_fmr([], 0.1)
    with pytest.raises(DataError, match="NaN or infinite at 1"):
        threshold_at_fmr([0.1, np.nan], 0.1)
    with pytest.raises(SettingsError, match=r"inside \(0, 1\), got 0"):
        threshold_at_fmr(NON_MATED, 0.0)
    with pytest.raises(SettingsError, match="give `mated`"):
        threshold_at_fmr(NON_MATED, 0.1, rule="nearest")
    with pytest.raises(SettingsError, match="rule must be one of at_most"):
        threshold_at_fmr(NON_MATED, 0.1, rule="exactly")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no mated"):
        threshold_at_fnmr([], 0.1)
    with pytest.raises(SettingsError, match="fnmr"):
        threshold_at_fnmr(MATED, 1.0)
    with pytest.raises(DataError, match="FMR is undefined"):
        fmr_at([], 0.5)
    with pytest.raises(DataError, match="FNMR is undefined"):
        fnmr_at([], 0.5)


def test_det_by_hand() -> None:
    curve = det(scores_of([0.1, 0.4, 0.3, 0.8], [False, False, True, True]))
    assert curve.thresholds.tolist() == pytest.approx([0.1, 0.3, 0.4, 0.8, np.inf])
    assert curve.fmr.tolist() == [1, 0.5, 0.5, 0, 0]
    assert curve.fnmr.tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.equal_error_rate == 0.5


def test_equal_error_rate_between_points_and_at_the_ends() -> None:
    # from (FMR, FNMR) = (1/2, 0) to (0, 1/2): the line meets FMR = FNMR at 1/4
    between = det(scores_of([0.1, 0.4, 0.4, 0.8], [False, False, True, True]))
    assert between.equal_error_rate == 0.25
    assert det(scores_of([0.1, 0.9], [False, True])).equal_error_rate == 0
    assert det(scores_of([0.9, 0.1], [False, True])).equal_error_rate == 1


def test_det_needs_both_kinds(rng) -> None:
    with pytest.raises(DataError, match="got 2 and 0"):
        det(scores_of([0.1, 0.2], [True, True]))


def test_det_agrees_with_rates_one_by_one(rng) -> None:
    comparisons, _ = make_comparisons(make_samples(8, 4), rng, n_non_mated=60, digits=2)
    curve = det(comparisons)
    for threshold, fmr, fnmr in zip(curve.thresholds, curve.fmr, curve.fnmr, strict=True):
        assert fmr == fmr_at(comparisons.non_mated, threshold)
        assert fnmr == fnmr_at(comparisons.mated, threshold)


def test_accuracy_takes_its_threshold_from_the_other_folds() -> None:
    similarity = [0.9, 0.1, 0.8, 0.7, 0.6, 0.2]
    mated = [True, False, True, False, True, False]
    result = verification_accuracy(scores_of(similarity, mated, np.array([0, 0, 1, 1, 2, 2])))
    # without fold 0, .6 and .8 are each right on 3 of 4: the middle one of the two is .8
    assert result.thresholds.tolist() == pytest.approx([0.8, 0.6, 0.8])
    assert result.accuracies.tolist() == [1.0, 0.5, 0.5]
    assert result.mean == pytest.approx(2 / 3)
    assert result.standard_error == pytest.approx(1 / 6)


def test_accuracy_against_trying_all_thresholds(rng) -> None:
    comparisons, _ = make_comparisons(make_samples(10, 4), rng, n_non_mated=60, digits=2)
    pairs = comparisons.pairs
    folds = np.arange(len(pairs)) % 5
    folded = PairSet(pairs.sample_ids, pairs.first, pairs.second, pairs.mated, folds)
    result = verification_accuracy(ComparisonScores(folded, comparisons.similarity, "made-up"))
    for fold, threshold in enumerate(result.thresholds):
        train = folds != fold
        right = {
            t: np.mean((comparisons.similarity[train] >= t) == pairs.mated[train])
            for t in comparisons.similarity[train]
        }
        assert right[np.float32(threshold)] == max(right.values())
        test = ~train
        expected = np.mean((comparisons.similarity[test] >= np.float32(threshold)) == pairs.mated[test])
        assert result.accuracies[fold] == expected


def test_accuracy_needs_folds() -> None:
    with pytest.raises(DataError, match="two folds"):
        verification_accuracy(scores_of([0.1, 0.2], [True, False]))
