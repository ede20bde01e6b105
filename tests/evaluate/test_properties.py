"""What must hold for every convention, whatever the data.

Each preset is listed with the properties it has; a new one has to declare itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiqa.core.types import ComparisonScores, PairSet, QualityScores
from fiqa.evaluate import CONVENTIONS
from fiqa.evaluate.conventions import ISO
from fiqa.evaluate.edc import edc
from fiqa.evaluate.pauc import AREA_KINDS, Measure, areas, bound_area
from synthetic import make_comparisons, make_quality, make_samples

PRESETS = {name: CONVENTIONS.load(name) for name in CONVENTIONS.names}
BY_IMAGES = {"iso by images": replace(ISO, discard="images")}
ALL = {**PRESETS, **BY_IMAGES}
ORDER_FREE = {"iso", "fiqat", "lightqnet", "iso by images"}
ORDER_DEPENDENT = {"published-2023", "cr-fiqa", "magface"}  # ties leave in the order given
FIXED = {"iso", "fiqat", "lightqnet", "iso by images"}
REDERIVED = {"published-2023", "cr-fiqa", "magface"}

brief = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def test_every_convention_declares_itself() -> None:
    assert set(ALL) == ORDER_FREE | ORDER_DEPENDENT == FIXED | REDERIVED
    assert not ORDER_FREE & ORDER_DEPENDENT
    assert not FIXED & REDERIVED


def made_up(seed: int, *, tied: bool = True) -> tuple[ComparisonScores, QualityScores, np.random.Generator]:
    rng = np.random.default_rng(seed)
    samples = make_samples(7, 4)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=50, digits=2)
    noisy = usefulness + rng.normal(size=len(samples))
    return comparisons, make_quality(samples, np.round(noisy, 1) if tied else noisy), rng


def numbers(comparisons, quality, convention) -> tuple[list[float], list[float]]:
    curve = edc(comparisons, quality, convention=convention, fmr=0.05)
    return curve.discard_fraction.tolist(), curve.error_rate.tolist()


@pytest.mark.parametrize("name", ALL)
@brief
@given(seeds)
def test_curve_is_well_formed(name, seed) -> None:
    comparisons, quality, _ = made_up(seed)
    curve = edc(comparisons, quality, convention=ALL[name], fmr=0.05)
    assert curve.discard_fraction[0] == 0
    assert np.all(np.diff(curve.discard_fraction) > 0)
    assert np.all((curve.error_rate >= 0) & (curve.error_rate <= 1))
    assert np.all(np.diff(curve.n_kept) <= 0)
    if name in FIXED:
        assert np.all(np.diff(curve.n_errors) <= 0)
        assert len(set(curve.thresholds.tolist())) == 1
    result = areas(curve)
    assert 0 <= result.raw <= result.limit
    assert result.mean <= curve.error_rate.max() + 1e-12


@pytest.mark.parametrize("name", ALL)
@brief
@given(seeds)
def test_only_the_order_of_quality_matters(name, seed) -> None:
    comparisons, quality, rng = made_up(seed)
    ranks = np.unique(quality.values, return_inverse=True)[1]
    steps = np.cumsum(rng.uniform(0.1, 3, len(quality)))
    monotone = replace(quality, values=steps[ranks] ** 3)
    assert numbers(comparisons, quality, ALL[name]) == numbers(comparisons, monotone, ALL[name])


@pytest.mark.parametrize("name", ALL)
@brief
@given(seeds)
def test_only_the_joint_order_of_similarity_matters(name, seed) -> None:
    comparisons, quality, rng = made_up(seed)
    values, ranks = np.unique(comparisons.similarity, return_inverse=True)
    monotone = replace(comparisons, similarity=np.cumsum(rng.uniform(0.5, 3, len(values)))[ranks])
    assert numbers(comparisons, quality, ALL[name]) == numbers(monotone, quality, ALL[name])


@pytest.mark.parametrize("name", ALL)
@brief
@given(seeds)
def test_the_order_of_samples_and_pairs_does_not_matter(name, seed) -> None:
    comparisons, quality, rng = made_up(seed, tied=name in ORDER_FREE)
    if name in ORDER_DEPENDENT:  # break ties between pairs too: no sample twice
        comparisons = comparisons_without_shared_samples(comparisons)
    pairs = comparisons.pairs
    shuffle, rows = rng.permutation(len(pairs.sample_ids)), rng.permutation(len(pairs))
    place = np.argsort(shuffle)
    shuffled = ComparisonScores(
        PairSet(
            pairs.sample_ids[shuffle],
            place[pairs.first][rows],
            place[pairs.second][rows],
            pairs.mated[rows],
        ),
        comparisons.similarity[rows],
        comparisons.recogniser,
    )
    again = rng.permutation(len(quality))
    requality = replace(quality, sample_ids=quality.sample_ids[again], values=quality.values[again])
    assert numbers(comparisons, quality, ALL[name]) == numbers(shuffled, requality, ALL[name])


def comparisons_without_shared_samples(comparisons: ComparisonScores) -> ComparisonScores:
    """At most one pair a sample, mated and non-mated ones by turns."""
    pairs, used, rows = comparisons.pairs, set(), []
    for kind in (True, False) * len(pairs):
        for row in np.flatnonzero(pairs.mated == kind):
            ends = {int(pairs.first[row]), int(pairs.second[row])}
            if not ends & used:
                used |= ends
                rows.append(row)
                break
    index = np.array(rows)
    return replace(comparisons, pairs=pairs.rows(index), similarity=comparisons.similarity[index])


@pytest.mark.parametrize("name", sorted(FIXED))
@brief
@given(seeds)
def test_quality_that_knows_nothing_leaves_the_curve_flat(name, seed) -> None:
    comparisons, quality, _ = made_up(seed)
    ids = np.append(quality.sample_ids, "not compared")
    constant = replace(quality, sample_ids=ids, values=np.append(np.ones(len(quality)), 0.0))
    curve = edc(comparisons, constant, convention=ALL[name], fmr=0.05)
    assert set(curve.error_rate[curve.n_kept > 0].tolist()) == {curve.error_at_zero}
    if curve.error_at_zero:
        assert areas(curve).normalised == pytest.approx(1.0)


@brief
@given(seeds)
def test_perfect_quality_attains_the_bound(seed) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(50, 400))
    ids = np.array([f"s{row}" for row in range(2 * n)])
    pairs = PairSet(ids, np.arange(n), np.arange(n, 2 * n), np.ones(n, dtype=bool))
    similarity = rng.permutation(n) / n
    comparisons = ComparisonScores(pairs, similarity, "made-up")
    perfect = QualityScores(ids, np.tile(similarity, 2), "oracle")
    curve = edc(comparisons, perfect, threshold=float(rng.uniform(0.02, 0.9)))
    for limit in (0.1, 0.5, 1.0):
        excess = areas(curve, limit=limit).excess
        assert -1e-12 <= excess <= 1 / n  # steps lie above the bound by less than one step
        shuffled = replace(perfect, values=np.tile(rng.permutation(n).astype(float), 2))
        worse = edc(comparisons, shuffled, threshold=curve.threshold)
        assert areas(worse, limit=limit).raw >= areas(curve, limit=limit).raw - 1e-12
        assert areas(curve, limit=limit).raw >= bound_area(curve.error_at_zero, limit) - 1e-12


@pytest.mark.parametrize("kind", AREA_KINDS)
@brief
@given(seeds)
def test_a_better_curve_has_a_smaller_area(kind, seed) -> None:
    comparisons, quality, rng = made_up(seed)
    curve = edc(comparisons, quality, fmr=0.05)
    lower = np.minimum(curve.n_errors, rng.integers(0, curve.n_errors + 1))
    lower[0] = curve.n_errors[0]
    better = replace(curve, n_errors=lower, error_rate=lower / curve.n_kept)
    if curve.n_errors[0]:
        measure = Measure(kind, 0.7)
        assert measure.of(better) <= measure.of(curve) + 1e-12


@brief
@given(seeds)
def test_areas_grow_with_the_limit(seed) -> None:
    comparisons, quality, _ = made_up(seed)
    curve = edc(comparisons, quality, fmr=0.05)
    raw = [areas(curve, limit=limit).raw for limit in (0.1, 0.3, 0.6, 1.0)]
    assert np.all(np.diff(raw) >= -1e-12)
