"""Discard curves against worked vectors and against plain loops over dictionaries."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import ComparisonScores, PairSet, QualityScores
from fiqa.evaluate import CONVENTIONS
from fiqa.evaluate.conventions import ISO, Convention
from fiqa.evaluate.edc import EdcCurve, discard_order, edc
from fiqa.evaluate.pauc import areas, bound_area
from synthetic import make_comparisons, make_quality, make_samples

COMBINE = {
    "min": min,
    "max": max,
    "mean": lambda a, b: (a + b) / 2,
    "product": lambda a, b: a * b,
}
COMBINATIONS = [
    Convention(
        "any", **dict(zip(("threshold", "population", "discard", "ties", "grid"), choice, strict=True))
    )
    for choice in product(
        ("fixed", "rederived"), ("counted", "all"), ("pairs", "images"), ("together", "in_order"), (None, 0.1)
    )
]


def slow_threshold(rows: list[dict], fmr: float, rule: str) -> tuple[float, bool]:
    """(threshold, whether a similarity equal to it is accepted), trying every observed similarity."""
    non_mated = sorted((row["similarity"] for row in rows if not row["mated"]), reverse=True)
    if rule == "index":
        return non_mated[int(fmr * (len(non_mated) - 1))], False
    if rule == "at_most":
        return non_mated[int(round(fmr * len(non_mated), 9))], False
    best = None
    for candidate in sorted({row["similarity"] for row in rows}):
        distance = abs(sum(score >= candidate for score in non_mated) / len(non_mated) - fmr)
        if best is None or distance < best[0]:
            best = (distance, candidate)
    return best[1], rule == "nearest"


def slow_rate(rows: list[dict], threshold: float, inclusive: bool, error: str) -> tuple[int, int]:
    """(errors, comparisons counted)."""
    errors = counted = 0
    for row in rows:
        if row["mated"] == (error == "fnmr"):
            counted += 1
            similarity = row["similarity"]
            accepted = similarity > threshold or (inclusive and similarity == threshold)
            errors += accepted != row["mated"]
    return errors, counted


def slow_units(rows, scores, convention, error) -> list[tuple]:
    """(quality, key) of each unit that can leave, lowest first; keys are rows or images."""
    if convention.discard == "images":
        images = {row[end] for row in rows for end in ("first", "second")}
        return sorted((scores[image], image) for image in images)
    own = [row for row in rows if convention.population == "all" or row["mated"] == (error == "fnmr")]
    return sorted((row["quality"], row["number"]) for row in own)


def slow_curve(comparisons, quality, convention: Convention, fmr: float, error: str = "fnmr") -> list[tuple]:
    """(discard fraction, errors, counted) at each point, one dictionary a comparison, nothing clever."""
    pairs = comparisons.pairs
    position = {sample: row for row, sample in enumerate(pairs.sample_ids.tolist())}
    scores = {
        position[s]: v for s, v in zip(quality.sample_ids.tolist(), quality.values.tolist(), strict=True)
    }
    rows = [
        {
            "number": number,
            "first": int(first),
            "second": int(second),
            "mated": bool(mated),
            "similarity": float(similarity),
            "quality": COMBINE[convention.pair_quality](scores[int(first)], scores[int(second)]),
        }
        for number, (first, second, mated, similarity) in enumerate(
            zip(pairs.first, pairs.second, pairs.mated, comparisons.similarity, strict=True)
        )
    ]
    units = slow_units(rows, scores, convention, error)
    boundaries = [
        n
        for n in range(len(units))
        if n == 0 or convention.ties == "in_order" or units[n][0] != units[n - 1][0]
    ]
    if convention.grid is None:
        points = [(n / len(units), n) for n in boundaries]
    else:
        steps = round(convention.limit / convention.grid)
        points = [
            (
                step * convention.grid,
                max(n for n in boundaries if n <= round(step * convention.grid * len(units), 9)),
            )
            for step in range(steps + 1)
        ]
    fixed = slow_threshold(rows, fmr, convention.rule)
    curve = []
    for fraction, n_gone in points:
        gone = {key for _, key in units[:n_gone]}
        names = ("first", "second") if convention.discard == "images" else ("number",)
        kept = [row for row in rows if not any(row[name] in gone for name in names)]
        non_mated_left = sum(not row["mated"] for row in kept)
        if convention.threshold == "rederived" and not non_mated_left:
            break
        if convention.rule == "index" and curve and round(fmr * 10 * (non_mated_left - 1), 9) < 1:
            break  # dividing the index by ten has come to 0 one step before the target
        threshold = fixed if convention.threshold == "fixed" else slow_threshold(kept, fmr, convention.rule)
        errors, counted = slow_rate(kept, *threshold, error)
        if not counted:
            break
        curve.append((fraction, errors, counted))
    return [*curve, (1.0, 0, 0)] if convention.closed else curve


def assert_same(curve: EdcCurve, slow: list[tuple]) -> None:
    fractions, errors, counted = map(np.array, zip(*slow, strict=True))
    assert curve.discard_fraction == pytest.approx(fractions, abs=1e-12)
    assert curve.n_errors.tolist() == errors.tolist()
    assert curve.n_kept.tolist() == counted.tolist()
    assert np.array_equal(curve.error_rate, errors / np.maximum(counted, 1))


def made_up(seed: int, *, levels: int = 6):
    rng = np.random.default_rng(seed)
    samples = make_samples(6, 4)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=40, digits=1)
    noisy = usefulness + rng.normal(size=len(samples))
    return comparisons, make_quality(samples, np.round(noisy * levels / 4))


@pytest.mark.parametrize("convention", COMBINATIONS, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_every_combination_equals_plain_loops(convention, seed) -> None:
    comparisons, quality = made_up(seed)
    for fmr in (0.01, 0.3):
        assert_same(
            edc(comparisons, quality, convention=convention, fmr=fmr),
            slow_curve(comparisons, quality, convention, fmr),
        )


@pytest.mark.parametrize("name", CONVENTIONS.names)
@pytest.mark.parametrize("pair_quality", COMBINE)
def test_every_preset_equals_plain_loops(name, pair_quality) -> None:
    convention = replace(CONVENTIONS.load(name), pair_quality=pair_quality)
    assert CONVENTIONS.load(name).name == name
    for seed in range(2):
        comparisons, quality = made_up(seed, levels=20)
        for fmr in (0.05, 0.2):
            assert_same(
                edc(comparisons, quality, convention=convention, fmr=fmr),
                slow_curve(comparisons, quality, convention, fmr),
            )


@pytest.mark.parametrize("convention", COMBINATIONS[: len(COMBINATIONS) // 2], ids=str)
def test_false_matches_versus_discard_equal_plain_loops(convention) -> None:
    comparisons, quality = made_up(3)
    assert convention.threshold == "fixed"  # a re-derived one would hold the FMR
    assert_same(
        edc(comparisons, quality, convention=convention, fmr=0.2, error="fmr"),
        slow_curve(comparisons, quality, convention, 0.2, "fmr"),
    )


def separate_pairs(similarity, quality, mated=None) -> tuple[ComparisonScores, QualityScores]:
    """Pairs that share no sample, both samples of a pair of one quality."""
    n = len(similarity)
    ids = np.array([f"s{row}" for row in range(2 * n)])
    mated = np.ones(n, dtype=bool) if mated is None else np.array(mated)
    pairs = PairSet(ids, np.arange(n), np.arange(n, 2 * n), mated)
    return (
        ComparisonScores(pairs, np.array(similarity), "made-up"),
        QualityScores(ids, np.tile(np.asarray(quality, dtype=float), 2), "made-up"),
    )


def test_worked_vector() -> None:
    comparisons, quality = separate_pairs([0.9, 0.2, 0.8, 0.3, 0.7, 0.6], [1, 1, 2, 3, 3, 4])
    curve = edc(comparisons, quality, threshold=0.5)
    assert curve.discard_fraction.tolist() == pytest.approx([0, 1 / 3, 1 / 2, 5 / 6])
    assert curve.error_rate.tolist() == pytest.approx([1 / 3, 1 / 4, 1 / 3, 0])
    assert areas(curve, limit=0.5).raw == pytest.approx(0.152778, abs=1e-6)
    assert bound_area(curve.error_at_zero, 0.5, shape="straight") == pytest.approx(0.055556, abs=1e-6)
    assert curve.n_errors.tolist() == [2, 1, 1, 0]
    assert curve.n_kept.tolist() == [6, 4, 3, 1]
    assert (curve.threshold, curve.n_units, curve.error) == (0.5, 6, "fnmr")
    closed = edc(comparisons, quality, threshold=0.5, convention=CONVENTIONS.load("fiqat"))
    assert closed.discard_fraction.tolist() == pytest.approx([0, 1 / 3, 1 / 2, 5 / 6, 1])
    assert closed.error_rate.tolist() == pytest.approx([1 / 3, 1 / 4, 1 / 3, 0, 0])
    assert areas(closed, limit=0.5).raw == areas(curve, limit=0.5).raw


def test_a_pair_is_as_good_as_its_worse_sample() -> None:
    ids = np.array(["a", "b", "c", "d"])
    pairs = PairSet(ids, np.array([0, 2]), np.array([1, 3]), np.array([True, True]))
    comparisons = ComparisonScores(pairs, np.array([0.1, 0.9]), "made-up")
    quality = QualityScores(ids, np.array([9.0, 1.0, 2.0, 2.0]), "made-up")
    assert edc(comparisons, quality, threshold=0.5).error_rate.tolist() == [0.5, 0.0]
    best_counts = replace(ISO, pair_quality="max")
    assert edc(comparisons, quality, convention=best_counts, threshold=0.5).error_rate.tolist() == [0.5, 1.0]


def test_images_leave_with_all_their_pairs() -> None:
    ids = np.array(["a", "b", "c", "unused"])
    pairs = PairSet(ids, np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([True, True, True]))
    comparisons = ComparisonScores(pairs, np.array([0.1, 0.2, 0.9]), "made-up")
    quality = QualityScores(ids, np.array([1.0, 2.0, 3.0, 0.0]), "made-up")
    curve = edc(comparisons, quality, convention=replace(ISO, discard="images"), threshold=0.5)
    assert curve.discard_fraction.tolist() == pytest.approx([0, 1 / 3])
    assert curve.error_rate.tolist() == pytest.approx([2 / 3, 0])
    assert curve.n_units == 3


def test_reading_between_points() -> None:
    comparisons, quality = separate_pairs([0.1, 0.9, 0.9, 0.9], [1, 2, 3, 4])
    steps = edc(comparisons, quality, threshold=0.5)
    assert [steps.at(x) for x in (0, 0.2, 0.25, 1)] == [0.25, 0.25, 0, 0]
    lines = edc(comparisons, quality, threshold=0.5, convention=replace(ISO, area="trapezoid"))
    assert lines.at(0.125) == 0.125
    with pytest.raises(SettingsError, match=r"got 1\.5"):
        steps.at(1.5)


def test_a_point_of_the_grid_never_splits_a_tie() -> None:
    comparisons, quality = separate_pairs([0.1, 0.1, 0.9, 0.9], [1, 1, 2, 2])
    curve = edc(comparisons, quality, threshold=0.5, convention=replace(ISO, grid=0.25, limit=0.75))
    assert curve.error_rate.tolist() == [0.5, 0.5, 0.0, 0.0]
    in_order = edc(comparisons, quality, threshold=0.5, convention=replace(ISO, ties="in_order"))
    assert in_order.error_rate.tolist() == pytest.approx([1 / 2, 1 / 3, 0, 0])


def test_the_curve_ends_before_nothing_is_left() -> None:
    comparisons, quality = separate_pairs(
        [0.9, 0.1, 0.8, 0.3], [1, 2, 3, 4], mated=[True, False, True, False]
    )
    everything = replace(ISO, population="all")
    curve = edc(comparisons, quality, convention=everything, fmr=0.5)
    assert curve.discard_fraction.tolist() == [0, 0.25, 0.5]  # beyond, no mated pair remains


def test_drawing_again_with_repeated_rows_equals_repeated_data() -> None:
    comparisons, quality = separate_pairs([0.1, 0.6, 0.9], [1, 2, 3])
    order = discard_order(comparisons, quality, threshold=0.5)
    again = order.curve(np.array([0, 0, 2]))
    assert again.discard_fraction.tolist() == pytest.approx([0, 2 / 3])
    assert again.error_rate.tolist() == pytest.approx([2 / 3, 0])


def test_values_for_json() -> None:
    comparisons, quality = separate_pairs([0.1, 0.9], [1, 2])
    plain = edc(comparisons, quality, threshold=0.5).to_dict()
    assert plain["discard"] == [0, 0.5]
    assert plain["error"] == [0.5, 0]
    assert (plain["fnmr0"], plain["threshold"], plain["convention"]["name"]) == (0.5, 0.5, "iso")


class TestRefusals:
    similarity, quality = (0.1, 0.6, 0.9, 0.2), (1, 2, 3, 4)

    def test_no_mated_pair(self) -> None:
        comparisons, quality = separate_pairs(self.similarity, self.quality, [False] * 4)
        with pytest.raises(DataError, match="no mated comparison: the FNMR is undefined"):
            edc(comparisons, quality, fmr=0.5)

    def test_no_non_mated_pair(self) -> None:
        comparisons, quality = separate_pairs(self.similarity, self.quality)
        with pytest.raises(DataError, match="no non-mated comparison: an FMR needs some"):
            edc(comparisons, quality)

    def test_no_comparison(self) -> None:
        ids = np.array(["a", "b"])
        empty = np.zeros(0, dtype=int)
        comparisons = ComparisonScores(PairSet(ids, empty, empty, empty.astype(bool)), np.zeros(0), "made-up")
        with pytest.raises(DataError, match="there are no comparisons"):
            edc(comparisons, QualityScores(ids, np.array([1.0, 2.0]), "made-up"))

    def test_constant_quality(self) -> None:
        comparisons, quality = separate_pairs(self.similarity, [7, 7, 7, 7])
        with pytest.raises(DataError, match="all 8 quality scores of made-up equal 7: they order nothing"):
            edc(comparisons, quality, threshold=0.5)

    def test_constant_similarity(self) -> None:
        comparisons, quality = separate_pairs([0.5] * 4, self.quality)
        with pytest.raises(DataError, match=r"all 4 similarities of made-up equal 0\.5"):
            edc(comparisons, quality, threshold=0.5)

    def test_not_a_number(self) -> None:
        with pytest.raises(DataError, match="similarity must be finite: NaN or infinite at 1"):
            separate_pairs([0.1, np.nan], [1, 2])
        with pytest.raises(
            DataError, match="quality scores of made-up must be finite: NaN or infinite at s1, s3"
        ):
            separate_pairs([0.1, 0.2], [1, np.inf])

    def test_duplicated_pair(self) -> None:
        ids = np.array(["a", "b", "c"])
        pairs = PairSet(ids, np.array([0, 1, 0]), np.array([1, 2, 1]), np.array([True, True, True]))
        comparisons = ComparisonScores(pairs, np.array([0.1, 0.2, 0.1]), "made-up")
        with pytest.raises(DataError, match="1 pairs are compared more than once: a with b; keep one row"):
            edc(comparisons, QualityScores(ids, np.arange(3.0), "made-up"), threshold=0.5)

    def test_swapped_pair_is_another_comparison(self) -> None:
        ids = np.array(["a", "b"])
        pairs = PairSet(ids, np.array([0, 1]), np.array([1, 0]), np.array([True, True]))
        comparisons = ComparisonScores(pairs, np.array([0.1, 0.2]), "made-up")
        assert edc(comparisons, QualityScores(ids, np.arange(2.0), "made-up"), threshold=0.5).n_units == 2

    def test_compared_sample_without_score(self) -> None:
        comparisons, quality = separate_pairs(self.similarity, self.quality)
        partial = QualityScores(quality.sample_ids[:5], quality.values[:5], "made-up")
        with pytest.raises(
            DataError, match="quality scores of made-up: 3 of 8 ids are missing, first s5, s6, s7"
        ):
            edc(comparisons, partial, threshold=0.5)

    def test_given_threshold_for_a_moving_one(self) -> None:
        comparisons, quality = separate_pairs(self.similarity, self.quality)
        with pytest.raises(SettingsError, match=r"hold it fixed, got 0\.5 with cr-fiqa"):
            edc(comparisons, quality, threshold=0.5, convention=CONVENTIONS.load("cr-fiqa"))

    def test_curve_with_a_falling_fraction(self) -> None:
        comparisons, quality = separate_pairs(self.similarity, self.quality)
        curve = edc(comparisons, quality, threshold=0.5)
        with pytest.raises(DataError, match="must rise from 0"):
            replace(curve, discard_fraction=curve.discard_fraction[::-1])
        with pytest.raises(DataError, match=r"must lie in \[0, 1\], got 1.5"):
            replace(curve, error_rate=curve.error_rate + 1)
        with pytest.raises(DataError, match="at least one point"):
            replace(
                curve,
                **{
                    name: np.zeros(0)
                    for name in ("discard_fraction", "error_rate", "thresholds", "n_errors", "n_kept")
                },
            )
