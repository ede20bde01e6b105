from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiqa.core.errors import DataError, SettingsError
from fiqa.evaluate.conventions import CR_FIQA, ISO, PUBLISHED_2023
from fiqa.evaluate.edc import EdcCurve
from fiqa.evaluate.pauc import Areas, Measure, areas, bound_area

TRAPEZOID = replace(ISO, area="trapezoid")


def curve_of(fractions, errors, n=10, convention=ISO) -> EdcCurve:
    kept = n - np.round(np.asarray(fractions) * n).astype(int)
    return EdcCurve(
        discard_fraction=np.array(fractions),
        error_rate=np.array(errors) / kept,
        n_errors=np.array(errors),
        n_kept=kept,
        thresholds=np.full(len(errors), 0.5),
        n_units=n,
        error="fnmr",
        convention=convention,
        method="made-up",
        recogniser="made-up",
    )


CURVE = curve_of([0, 0.2, 0.6], [4, 2, 1])  # rates .4, .25, .25


def test_steps_by_hand() -> None:
    result = areas(CURVE, limit=0.5)
    assert result.raw == pytest.approx(0.2 * 0.4 + 0.3 * 0.25)
    assert result.mean == pytest.approx(result.raw / 0.5)
    assert result.normalised == pytest.approx(result.raw / 0.5 / 0.4)
    assert result.excess == pytest.approx(result.raw - (0.4 + 0.6 * np.log(0.6)))
    assert areas(CURVE) == areas(CURVE, limit=0.3)


def test_trapezoid_by_hand() -> None:
    curve = replace(CURVE, convention=TRAPEZOID)
    assert areas(curve, limit=0.1).raw == pytest.approx(0.1 * (0.4 + 0.325) / 2)
    assert areas(curve, limit=0.2).raw == pytest.approx(0.2 * 0.325)
    assert areas(curve, limit=1.0).raw == pytest.approx(0.2 * 0.325 + 0.8 * 0.25)  # the last value holds


@pytest.mark.parametrize("convention", [ISO, TRAPEZOID], ids=lambda c: c.area)
@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 1.0), st.integers(0, 2**32 - 1))
def test_area_against_a_fine_sum(convention, limit, seed) -> None:
    rng = np.random.default_rng(seed)
    fractions = np.concatenate([[0], np.sort(rng.choice(np.arange(1, 10), 4, replace=False))]) / 10
    errors = [int(rng.integers(0, 10 - round(10 * x) + 1)) for x in fractions]
    curve = curve_of(fractions, errors, convention=convention)
    middles = (np.arange(20_000) + 0.5) / 20_000 * limit
    if convention.area == "steps":
        heights = curve.error_rate[np.searchsorted(fractions, middles, side="right") - 1]
    else:
        heights = np.interp(middles, fractions, curve.error_rate)
    assert areas(curve, limit=limit).raw == pytest.approx(heights.mean() * limit, abs=2e-4)


@pytest.mark.parametrize("at", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("limit", [0.05, 0.3, 0.95])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_attainable_bound_against_a_fine_sum(at, limit, share) -> None:
    x = (np.arange(200_000) + 0.5) / 200_000 * limit / share
    heights = np.maximum(at - x, 0) / np.maximum(1 - x, 1e-12)
    expected = heights.mean() * limit
    assert bound_area(at, limit, counted_share=share) == pytest.approx(expected, abs=1e-5)


def test_no_order_falls_below_the_attainable_bound_but_all_stay_above_the_line() -> None:
    assert bound_area(0.4, 0.3) > bound_area(0.4, 0.3, shape="straight")
    assert bound_area(0.0, 0.3) == 0
    assert bound_area(0.4, 0.4, shape="straight") == pytest.approx(0.08)
    assert bound_area(0.4, 0.1, shape="straight") == pytest.approx(0.035)


def test_undefined_areas_are_none_and_refused_as_a_measure() -> None:
    clean = curve_of([0, 0.5], [0, 0])
    assert areas(clean) == Areas(limit=0.3, raw=0, mean=0, normalised=None, excess=0)
    with pytest.raises(DataError, match="normalised area of made-up is undefined: 0 errors at zero discard"):
        Measure("normalised", 0.3).of(clean)
    assert areas(replace(CURVE, convention=CR_FIQA)).excess is None
    assert areas(replace(CURVE, convention=replace(ISO, discard="images"))).excess is None


def test_a_measure_is_one_of_the_areas() -> None:
    assert Measure("raw", 0.5).of(CURVE) == areas(CURVE, limit=0.5).raw
    assert areas(CURVE).to_dict()["limit"] == 0.3
    with pytest.raises(SettingsError, match="raw, mean, normalised, excess to a limit"):
        Measure("gross", 0.5)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"got 'raw' to 1\.5"):
        Measure("raw", 1.5)


def test_limits_out_of_reach() -> None:
    with pytest.raises(SettingsError, match=r"limit must lie in \(0, 1\], got 0"):
        areas(CURVE, limit=0)
    with pytest.raises(SettingsError, match=r"published-2023 draws to 0\.95, an area to 1\.0 was asked"):
        areas(replace(CURVE, convention=PUBLISHED_2023), limit=1.0)
