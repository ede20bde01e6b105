from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import ComparisonScores, PairSet, SampleSet
from fiqa.evaluate.conventions import ISO
from fiqa.evaluate.edc import discard_order, edc
from fiqa.evaluate.pauc import Measure
from fiqa.evaluate.resample import Bootstrap, bootstrap, holm
from synthetic import make_comparisons, make_quality, make_samples

MEASURES = (Measure("raw", 0.3), Measure("normalised", 0.3))


@pytest.fixture
def scene(rng):
    samples = make_samples(20, 4)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=400)
    methods = [
        make_quality(samples, usefulness + noise * rng.normal(size=len(samples)), name)
        for name, noise in (("good", 0.3), ("fair", 1.0), ("poor", 5.0))
    ]
    return samples, comparisons, methods


def test_estimates_are_those_of_the_data(scene, rng) -> None:
    samples, comparisons, methods = scene
    orders = [discard_order(comparisons, quality, fmr=0.05) for quality in methods]
    result = bootstrap(orders, samples, measures=MEASURES, replicates=20, rng=rng)
    for quality in methods:
        for measure in MEASURES:
            interval = result.interval(quality.method, measure)
            assert interval.estimate == measure.of(edc(comparisons, quality, fmr=0.05))
            assert interval.low <= interval.high
    assert result.replicates.shape == (20, 2, 3)
    assert result.n_subjects == 20


@pytest.mark.parametrize("discard", ["pairs", "images"])
def test_a_replicate_is_the_area_of_copied_subjects(scene, discard) -> None:
    """Slow twin: a subject drawn twice stands in the data twice, under two names."""
    samples, comparisons, methods = scene
    measure = MEASURES[0]
    convention = replace(ISO, discard=discard)
    order = discard_order(comparisons, methods[1], convention=convention, fmr=0.05)
    result = bootstrap([order], samples, measures=[measure], replicates=5, rng=np.random.default_rng(3))
    twin_rng = np.random.default_rng(3)
    codes, pairs = samples.subject_codes(), comparisons.pairs
    for drawn in result.replicates[:, 0, 0]:
        copies = twin_rng.integers(0, 20, 20)  # subject behind each copy
        ids, values, first, second, mated, similarity = [], [], [], [], [], []
        row_of = {}
        for copy, subject in enumerate(copies):
            for sample in np.flatnonzero(codes == subject):
                row_of[copy, int(sample)] = len(ids)
                ids.append(f"{copy}/{sample}")
                values.append(methods[1].values[sample])
        for a, b, is_mated, score in zip(
            pairs.first, pairs.second, pairs.mated, comparisons.similarity, strict=True
        ):
            for one in np.flatnonzero(copies == codes[a]):
                for other in [one] if is_mated else np.flatnonzero(copies == codes[b]):
                    first.append(row_of[int(one), int(a)])
                    second.append(row_of[int(other), int(b)])
                    mated.append(bool(is_mated))
                    similarity.append(score)
        copied = PairSet(np.array(ids), np.array(first), np.array(second), np.array(mated))
        curve = edc(
            ComparisonScores(copied, np.array(similarity), "made-up"),
            make_quality(SampleSet(copied.sample_ids, copied.sample_ids), np.array(values)),
            convention=convention,
            fmr=0.05,
        )
        assert measure.of(curve) == pytest.approx(drawn, abs=1e-12)


def test_same_seed_same_intervals_and_methods_share_the_draws(scene) -> None:
    samples, comparisons, methods = scene
    orders = [discard_order(comparisons, quality, fmr=0.05) for quality in methods]
    one, other = (
        bootstrap(chosen, samples, measures=MEASURES, replicates=10, rng=np.random.default_rng(5))
        for chosen in (orders, orders[::-1])
    )
    assert np.array_equal(one.replicates, other.replicates[:, :, ::-1])


def test_differences_are_paired_and_corrected(scene, rng) -> None:
    samples, comparisons, methods = scene
    orders = [discard_order(comparisons, quality, threshold=0.5) for quality in methods]
    result = bootstrap(orders, samples, measures=MEASURES, replicates=99, rng=rng)
    contrasts = [("good", "poor"), ("good", "fair"), ("fair", "fair")]
    clear, likely, none = result.differences(MEASURES[0], contrasts)
    assert clear.change.high < 0
    assert clear.p_value == pytest.approx(2 / 100)
    assert clear.p_holm == pytest.approx(6 / 100)
    assert likely.change.estimate < 0
    assert (none.change.low, none.change.high, none.p_value, none.p_holm) == (0, 0, 1, 1)
    assert clear.to_dict()["measure"] == {"kind": "raw", "limit": 0.3}


def test_p_values_by_hand() -> None:
    changes = np.array([-2.0, -1.0, -1.0, 1.0])
    replicates = np.stack([changes, np.zeros(4)], axis=-1)[:, None, :]
    result = Bootstrap(("new", "old"), MEASURES[:1], np.array([[-1.0, 0.0]]), replicates, 4, 0)
    (difference,) = result.differences(MEASURES[0], [("new", "old")], confidence=0.5)
    assert difference.p_value == pytest.approx(2 * (1 + 1) / 5)
    assert difference.change.low == pytest.approx(-1.25)  # quartiles, linear between order statistics
    assert difference.change.high == pytest.approx(-0.5)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def test_refusals(scene, rng) -> None:
    samples, comparisons, methods = scene
    order = discard_order(comparisons, methods[0], fmr=0.05)
    settings = {"measures": MEASURES, "replicates": 5, "rng": rng}
    with pytest.raises(DataError, match="distinct names and the same comparisons, got good, good"):
        bootstrap([order, order], samples, **settings)
    with pytest.raises(SettingsError, match="at least one method"):
        bootstrap([], samples, **settings)
    one_subject = SampleSet(samples.sample_ids, np.full(len(samples), "p"))
    with pytest.raises(DataError, match="400 pairs contradict the subjects"):
        bootstrap([order], one_subject, **settings)
    with pytest.raises(SettingsError, match=r"no replicates of .* for 'fine'; there are good"):
        bootstrap([order], samples, **settings).interval("fine", MEASURES[0])


def test_draws_without_any_error_are_left_out_and_counted() -> None:
    samples = make_samples(3, 2)
    ids = samples.sample_ids
    pairs = PairSet(ids, np.array([0, 2, 4]), np.array([1, 3, 5]), np.ones(3, dtype=bool))
    comparisons = ComparisonScores(pairs, np.array([0.1, 0.8, 0.9]), "made-up")
    order = discard_order(comparisons, make_quality(samples, np.arange(6.0)), threshold=0.5)
    result = bootstrap([order], samples, measures=MEASURES[1:], replicates=50, rng=np.random.default_rng(0))
    assert 0 < result.n_undefined < 25  # p0, the one in error, is not drawn in (2/3)^3 of the draws
    assert len(result.replicates) == 50 - result.n_undefined
    clean = discard_order(comparisons, make_quality(samples, np.arange(6.0)), threshold=0.0)
    with pytest.raises(DataError, match="undefined: 0 errors"):
        bootstrap([clean], samples, measures=MEASURES[1:], replicates=5, rng=np.random.default_rng(0))


@pytest.mark.slow
def test_intervals_cover_what_they_promise() -> None:
    """Subjects differ, so pairs of one are alike; the truth comes from a far larger draw of subjects."""
    rng = np.random.default_rng(0)

    def scene(n_subjects):
        samples = make_samples(n_subjects, 5)
        first, second = np.triu_indices(5, 1)
        offsets = np.arange(n_subjects)[:, None] * 5
        first, second = (offsets + first).ravel(), (offsets + second).ravel()
        ease = np.repeat(rng.normal(0, 0.08, n_subjects), 5)
        useful = rng.normal(size=len(samples))
        worse = np.minimum(useful[first], useful[second])
        similarity = 0.5 + ease[first] + 0.12 * worse + rng.normal(0, 0.12, len(first))
        pairs = PairSet(samples.sample_ids, first, second, np.ones(len(first), dtype=bool))
        comparisons = ComparisonScores(pairs, similarity, "made-up")
        orders = [
            discard_order(comparisons, make_quality(samples, useful + noise, name), threshold=0.28)
            for name, noise in (
                ("a", rng.normal(0, 0.7, len(samples))),
                ("b", rng.normal(0, 1.2, len(samples))),
            )
        ]
        return samples, orders

    _, large = scene(20_000)
    truth = [MEASURES[1].of(order.curve()) for order in large]
    n_runs, covered, change_covered = 100, 0, 0
    for _ in range(n_runs):
        samples, orders = scene(100)
        result = bootstrap(orders, samples, measures=MEASURES[1:], replicates=200, rng=rng)
        interval = result.interval("a", MEASURES[1])
        covered += interval.low <= truth[0] <= interval.high
        change = result.differences(MEASURES[1], [("a", "b")])[0].change
        change_covered += change.low <= truth[0] - truth[1] <= change.high
    assert 0.88 * n_runs <= covered <= n_runs
    assert 0.88 * n_runs <= change_covered <= n_runs
