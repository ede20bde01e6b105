"""Calibration against hand-worked numbers, plain loops, and, for its bands, the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import ComparisonScores, PairSet, SampleSet
from fiqa.evaluate import calibrate as module
from fiqa.evaluate.calibrate import CalibrationSettings, binomial_interval, calibrate
from fiqa.evaluate.subjects import KnownSubjects
from synthetic import make_comparisons, make_quality, make_samples

BRIEF = CalibrationSettings(fmr=0.05, replicates=60)


def scene(seed: int = 0, *, n_subjects: int = 20, digits: int = 1):
    rng = np.random.default_rng(seed)
    samples = make_samples(n_subjects, 4)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=400)
    quality = make_quality(samples, np.round(usefulness + 0.5 * rng.normal(size=len(samples)), digits))
    return comparisons, quality, KnownSubjects(samples, "made up")


def run(comparisons, quality, subjects, *, settings=BRIEF, groups=None):
    return calibrate(
        comparisons, quality, subjects=subjects, reference="all", groups=groups, settings=settings
    )


def made_pairs(scores, similarity):
    """Mated pairs of one subject each; both samples of a pair have its score."""
    n = len(scores)
    ids = np.array([f"s{row}" for row in range(2 * n)])
    comparisons = ComparisonScores(
        PairSet(ids, np.arange(n), np.arange(n, 2 * n), np.ones(n, bool)), np.array(similarity), "r"
    )
    samples = SampleSet(ids, np.tile([f"p{row}" for row in range(n)], 2))
    return (
        comparisons,
        make_quality(samples, np.tile(scores, 2).astype(float)),
        KnownSubjects(samples, "made up"),
    )


def test_by_hand() -> None:
    # errors: 1 and 2 of 2 at scores 1 and 2 rise and are pooled to 3 of 4; then 1 and 0 of 2
    data = made_pairs([1, 1, 2, 2, 3, 3, 4, 4], [0.1, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    known = run(*data, settings=CalibrationSettings(threshold=0.5, replicates=40))
    assert known.fnmr_given_score.scores.tolist() == [1, 2, 3, 4]
    assert known.fnmr_given_score.fnmr.tolist() == [3.5 / 5, 3.5 / 5, 1.5 / 3, 0.5 / 3]
    kept = known.fnmr_of_kept
    assert kept.n_pairs.tolist() == [8, 6, 4, 2]
    assert kept.n_errors.tolist() == [4, 3, 1, 0]
    assert kept.fnmr.tolist() == [0.5, 0.5, 0.25, 0]
    assert kept.samples_kept.tolist() == kept.pairs_kept.tolist() == [1, 0.75, 0.5, 0.25]
    assert kept.subjects_lost.tolist() == kept.subjects_short.tolist() == [0, 2, 4, 6]
    assert known.percentiles.percent.tolist() == [12.5, 37.5, 62.5, 87.5]
    assert kept.high[-1] >= 1 - 0.025 ** (1 / 2)  # no error among 2 is no proof of perfection
    assert known.fnmr_given_score.high[-1] >= 1 - 0.025 ** (1 / 2)
    assert (known.threshold, known.fmr, known.n_subjects, known.n_samples) == (0.5, None, 8, 16)
    assert "4 errors among 8 comparisons" in known.warnings[0]


def test_a_few_pairs_at_the_bottom_do_not_hide_the_errors_above() -> None:
    # with half an error more the first rate, 1.5 of 2, is lower than the second, 190.5 of 201
    pairs, errors = [1, 200, 500, 500], [1, 190, 20, 1]
    scores = np.repeat([0.0, 0.1, 0.5, 0.9], pairs)
    wrong = np.concatenate([np.arange(n) < k for n, k in zip(pairs, errors, strict=True)])
    data = made_pairs(scores, np.where(wrong, 0.1, 0.9))
    given = run(*data, settings=CalibrationSettings(threshold=0.5, replicates=40)).fnmr_given_score
    pooled = (1.5 + 190.5) / (2 + 201)
    np.testing.assert_allclose(given.fnmr, [pooled, pooled, 20.5 / 501, 1.5 / 501])


@pytest.mark.parametrize("seed", range(3))
def test_against_plain_loops(seed) -> None:
    comparisons, quality, subjects = scene(seed)
    known = run(comparisons, quality, subjects)
    score = dict(zip(quality.sample_ids.tolist(), quality.values.tolist(), strict=True))
    ids, pairs = comparisons.pairs.sample_ids.tolist(), comparisons.pairs
    mated = [
        (min(score[ids[a]], score[ids[b]]), similarity < known.threshold)
        for a, b, is_mated, similarity in zip(
            pairs.first, pairs.second, pairs.mated, comparisons.similarity, strict=True
        )
        if is_mated
    ]
    kept = known.fnmr_of_kept
    of_subject = {
        subject: sorted(
            score[s] for s in quality.sample_ids[subjects.samples.subject_ids == subject].tolist()
        )
        for subject in set(subjects.samples.subject_ids.tolist())
    }
    for row, at in enumerate(kept.scores.tolist()):
        left = [wrong for worse, wrong in mated if worse >= at]
        assert (kept.n_pairs[row], kept.n_errors[row]) == (len(left), sum(left))
        assert kept.samples_kept[row] == pytest.approx(np.mean([value >= at for value in score.values()]))
        assert kept.subjects_lost[row] == sum(values[-1] < at for values in of_subject.values())
        assert kept.subjects_short[row] == sum(values[-2] < at for values in of_subject.values())
    given = known.fnmr_given_score
    rates = [np.array([wrong for worse, wrong in mated if worse == at]) for at in given.scores.tolist()]
    fit = [  # the least of greatest averages
        min(
            max(np.concatenate(rates[a : b + 1]).mean() for b in range(row, len(rates)))
            for a in range(row + 1)
        )
        for row in range(len(rates))
    ]
    steps: list[list[float]] = []  # half an error more and one pair more; what then rises is pooled
    for level in sorted(set(np.round(fit, 12)), reverse=True):
        step = np.concatenate(
            [rate for rate, value in zip(rates, fit, strict=True) if np.isclose(value, level)]
        )
        steps.append([step.sum() + 0.5, len(step) + 1, np.isclose(fit, level).sum()])
        while len(steps) > 1 and steps[-2][0] / steps[-2][1] < steps[-1][0] / steps[-1][1]:
            last = steps.pop()
            steps[-1] = [one + other for one, other in zip(steps[-1], last, strict=True)]
    expected = np.repeat([e / n for e, n, _ in steps], [int(count) for *_, count in steps])
    np.testing.assert_allclose(given.fnmr, expected)
    for at, percent in zip(known.percentiles.scores, known.percentiles.percent, strict=True):
        values = np.array(list(score.values()))
        assert percent == pytest.approx(100 * (np.mean(values < at) + np.mean(values == at) / 2))


def test_many_scores_are_rounded_down_to_quantiles(monkeypatch) -> None:
    comparisons, quality, subjects = scene(digits=8)
    exact = run(comparisons, quality, subjects).fnmr_of_kept
    monkeypatch.setattr(module, "N_SCORES", 11)
    coarse = run(comparisons, quality, subjects)
    assert len(coarse.percentiles.scores) == 11
    rows = np.searchsorted(exact.scores, coarse.fnmr_of_kept.scores)
    for name in ("scores", "n_pairs", "n_errors", "samples_kept", "subjects_lost"):
        assert np.array_equal(getattr(exact, name)[rows], getattr(coarse.fnmr_of_kept, name)), name
    assert np.all(np.diff(coarse.fnmr_given_score.fnmr) <= 0)


def test_bands_hold_the_estimate_and_follow_the_seed() -> None:
    data = scene()
    one, same, other = (run(*data, settings=replace(BRIEF, seed=seed)) for seed in (1, 1, 2))
    assert one.to_dict() == same.to_dict() != other.to_dict()
    for table in (one.fnmr_given_score, one.fnmr_of_kept):
        assert np.all((table.low <= table.fnmr) & (table.fnmr <= table.high))
        assert np.all((table.low >= 0) & (table.high <= 1))
    kept = one.fnmr_of_kept
    relative = kept.fnmr / kept.fnmr[0]
    assert np.all((kept.relative_low <= relative) & (relative <= kept.relative_high + 1e-12))


def test_groups_count_pairs_within_them() -> None:
    comparisons, quality, subjects = scene()
    half = np.where(subjects.samples.subject_codes() < 10, "a", "b")
    known = run(comparisons, quality, subjects, groups=half)
    parts = [known.groups[name] for name in "ab"]
    assert np.array_equal(parts[0].n_pairs + parts[1].n_pairs, known.fnmr_of_kept.n_pairs)
    assert np.array_equal(parts[0].n_errors + parts[1].n_errors, known.fnmr_of_kept.n_errors)
    shares = (parts[0].samples_kept + parts[1].samples_kept) / 2
    np.testing.assert_allclose(shares, known.fnmr_of_kept.samples_kept)
    some = run(comparisons, quality, subjects, groups=np.where(half == "a", "a", ""))
    assert list(some.groups) == ["a"]


def test_exact_interval_of_a_rate() -> None:
    low, high = binomial_interval([0, 5, 10], [10, 10, 10])
    np.testing.assert_allclose(low, [0, 0.187086, 0.691503], atol=1e-6)
    np.testing.assert_allclose(high, [0.308497, 0.812914, 1], atol=1e-6)


def test_refusals() -> None:
    data = made_pairs([1, 2], [0.8, 0.9])
    with pytest.raises(DataError, match=r"none of 2 mated comparisons is an error at threshold 0\.5"):
        run(*data, settings=CalibrationSettings(threshold=0.5))
    with pytest.raises(DataError, match="1 of 1 draws of 40 subjects hold no error"):
        run(
            *made_pairs(np.arange(40), [0.1, *[0.8] * 39]),
            settings=CalibrationSettings(threshold=0.5, replicates=1, seed=1),
        )
    with pytest.raises(SettingsError, match="confidence inside"):
        CalibrationSettings(confidence=1.0)


@pytest.mark.slow
def test_bands_cover_the_truth() -> None:
    """Subjects differ, so that pairs of one are alike; the truth comes from a far larger draw."""
    rng = np.random.default_rng(0)

    def draw(n_subjects):
        samples = make_samples(n_subjects, 5)
        first, second = np.triu_indices(5, 1)
        start = np.arange(n_subjects)[:, None] * 5
        first, second = (start + first).ravel(), (start + second).ravel()
        ease = np.repeat(rng.normal(0, 0.06, n_subjects), 5)
        useful = rng.normal(size=len(samples))
        similarity = 0.5 + ease[first] + 0.12 * np.minimum(useful[first], useful[second])
        similarity += rng.normal(0, 0.1, len(first))
        pairs = PairSet(samples.sample_ids, first, second, np.ones(len(first), bool))
        quality = make_quality(samples, np.round(useful + rng.normal(0, 0.5, len(samples)), 1))
        return ComparisonScores(pairs, similarity, "r"), quality, KnownSubjects(samples, "made up")

    settings = CalibrationSettings(threshold=0.28, replicates=150)
    comparisons, quality, subjects = draw(20_000)
    large = run(comparisons, quality, subjects, settings=replace(settings, replicates=2))
    at = np.array([-1.0, 0.0, 0.5])
    rows = np.searchsorted(large.fnmr_of_kept.scores, at)
    truth_kept, truth_given = large.fnmr_of_kept.fnmr[rows], large.expected_fnmr(at)
    covered = np.zeros((2, 3))
    n_runs = 80
    for _ in range(n_runs):
        known = run(*draw(120), settings=settings)
        kept, given = known.fnmr_of_kept, known.fnmr_given_score
        rows = np.searchsorted(kept.scores, at)
        covered[0] += (kept.low[rows] <= truth_kept) & (truth_kept <= kept.high[rows])
        low, high = (np.interp(at, given.scores, band) for band in (given.low, given.high))
        covered[1] += (low <= truth_given) & (truth_given <= high)
    assert np.all(covered >= 0.88 * n_runs), covered / n_runs
