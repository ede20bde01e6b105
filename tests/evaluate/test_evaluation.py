from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import ComparisonScores
from fiqa.evaluate.caveats import Caveat
from fiqa.evaluate.conventions import PUBLISHED_2023
from fiqa.evaluate.edc import edc
from fiqa.evaluate.evaluation import EvaluationSettings, Scored, evaluate_test_bed
from fiqa.evaluate.pauc import Measure
from fiqa.evaluate.results import ON_BASE, ON_OPTIMISED, RAW
from synthetic import make_comparisons, make_quality, make_samples

SETTINGS = EvaluationSettings(fmr=0.05, measures=(Measure("raw", 0.3),), replicates=20)


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    samples = make_samples(20, 4)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=300)
    scored = [
        Scored("norm", variant, make_quality(samples, usefulness + rng.normal(size=80)))
        for variant in (RAW, ON_BASE, ON_OPTIMISED)
    ]
    return samples, comparisons, [*scored, Scored("other", RAW, make_quality(samples, rng.normal(size=80)))]


def evaluate(scene, settings=SETTINGS):
    samples, comparisons, scored = scene
    return evaluate_test_bed("Made-up", comparisons, samples=samples, scored=scored, settings=settings)


@pytest.mark.parametrize("convention", [SETTINGS.convention, PUBLISHED_2023], ids=lambda c: c.name)
def test_curves_are_those_of_each_method_alone(scene, convention) -> None:
    _, comparisons, scored = scene
    bed = evaluate(scene, replace(SETTINGS, convention=convention, replicates=0))
    for one, item in zip(bed.evaluations, scored, strict=True):
        alone = edc(comparisons, item.scores, convention=convention, fmr=0.05)
        assert np.array_equal(one.curve.error_rate, alone.error_rate)
        assert np.array_equal(one.curve.discard_fraction, alone.discard_fraction)
        assert (one.method, one.variant, one.intervals) == (item.method, item.variant, {})
    assert bed.differences == ()


def test_no_error_at_zero_discard_leaves_intervals_out_and_says_so(scene) -> None:
    samples, comparisons, scored = scene
    apart = replace(comparisons, similarity=comparisons.similarity + 10.0 * comparisons.pairs.mated)
    settings = replace(SETTINGS, measures=(Measure("normalised", 0.3),))
    bed = evaluate((samples, apart, scored), settings)
    assert bed.differences == ()
    for one in bed.evaluations:
        assert one.intervals == {}
        assert one.value(Measure("normalised", 0.3)) is None
        last = one.caveats[-1]
        assert (last.code, last.message[:19]) == ("no_intervals", "the normalised area")


def test_what_is_known_of_all_scores_follows_their_own_caveats(scene) -> None:
    samples, comparisons, scored = scene
    known = (Caveat("training_overlap", "trained on 3 of them"),)
    settings = replace(SETTINGS, replicates=0)
    bed = evaluate_test_bed("x", comparisons, samples=samples, scored=scored, settings=settings, known=known)
    plain = evaluate(scene, settings)
    assert [one.caveats for one in bed.evaluations] == [(*one.caveats, *known) for one in plain.evaluations]


def test_counts_describe_what_was_compared(scene) -> None:
    _, comparisons, _ = scene
    bed = evaluate(scene)
    assert (bed.n_subjects, bed.n_images, bed.n_mated, bed.n_non_mated) == (20, 80, 120, 300)
    assert bed.accuracy is None
    assert bed.det is not None
    folds = np.arange(len(comparisons)) % 10
    folded = ComparisonScores(replace(comparisons.pairs, folds=folds), comparisons.similarity, "made-up")
    with_folds = evaluate((scene[0], folded, scene[2]))
    assert len(with_folds.accuracy.accuracies) == 10


def test_intervals_and_differences_between_variants(scene) -> None:
    bed = evaluate(scene)
    assert all(
        one.intervals[SETTINGS.measures[0]].estimate == one.value(SETTINGS.measures[0])
        for one in bed.evaluations
    )
    compared = [(one.method, one.baseline) for one in bed.differences]
    base, optimised, raw = (f"norm · {variant}" for variant in (ON_BASE, ON_OPTIMISED, RAW))
    assert compared == [(base, raw), (optimised, raw), (optimised, base)]
    samples, comparisons, (*rows, other) = scene
    twice = Scored("norm", "optimised twice", other.scores)
    bed = evaluate((samples, comparisons, [*rows, twice]))
    last = [one.baseline for one in bed.differences if one.method == twice.name]
    assert sorted(last) == sorted([raw, base, optimised])


def test_the_seed_decides_the_intervals(scene) -> None:
    one, same, other = (evaluate(scene, replace(SETTINGS, seed=seed)) for seed in (1, 1, 2))
    assert [e.intervals for e in one.evaluations] == [e.intervals for e in same.evaluations]
    assert [e.intervals for e in one.evaluations] != [e.intervals for e in other.evaluations]


def test_a_sample_without_score_is_named(scene) -> None:
    samples, comparisons, _ = scene
    part = make_quality(samples.at(samples.sample_ids[1:]), np.arange(79.0))
    with pytest.raises(DataError, match="1 of 80 ids are missing, first s0"):
        evaluate((samples, comparisons, [Scored("norm", RAW, part)]))
