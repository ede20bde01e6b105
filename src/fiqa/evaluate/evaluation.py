"""All methods and variants on one benchmark, compared by one recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..core.errors import TooFewError
from ..core.types import ComparisonScores, QualityScores, SampleSet
from .caveats import Caveat, caveats, few_replicates
from .conventions import ISO, Convention
from .edc import DiscardOrder, discard_order
from .error_rates import det, threshold_at_fmr, verification_accuracy
from .pauc import Measure
from .resample import Bootstrap, bootstrap
from .results import ON_BASE, Evaluation, TestBed


class Scored(NamedTuple):
    """Quality scores and the row of a table that they belong to."""

    method: str
    variant: str
    scores: QualityScores

    @property
    def name(self) -> str:
        """Method and variant in one phrase."""
        return f"{self.method} · {self.variant}"


@dataclass(frozen=True)
class EvaluationSettings:
    """How test beds are evaluated.

    Attributes:
        convention: How curves are drawn.
        fmr: Target FMR of the threshold, in (0, 1).
        measures: Areas to resample; differences between variants are tested on the first.
        replicates: Draws of subjects; 0 leaves intervals and differences out.
        seed: Seed of the draws.
    """

    convention: Convention = ISO
    fmr: float = 1e-3
    measures: tuple[Measure, ...] = (Measure("normalised", 0.3), Measure("raw", 0.3), Measure("raw", 0.95))
    replicates: int = 1000
    seed: int = 0


def evaluate_test_bed(
    benchmark: str,
    comparisons: ComparisonScores,
    *,
    samples: SampleSet,
    scored: Sequence[Scored],
    settings: EvaluationSettings,
    known: tuple[Caveat, ...] = (),
) -> TestBed:
    """Curves, areas with intervals and paired differences of all scores on one set of comparisons.

    A fixed threshold is found once, on all comparisons, and held in the bootstrap: the intervals tell what
    other subjects would change at the threshold in use, not what another threshold would. Where the data
    are too few for intervals there are none, and a caveat.

    Args:
        benchmark: Name of the benchmark.
        comparisons: Its comparisons by one recogniser.
        samples: Subject of every compared sample.
        scored: Quality scores of every compared sample, one entry for each row of the table.
        settings: How to evaluate.
        known: Caveats that hold for all scores.

    Raises:
        DataError: If scores are missing for a compared sample, or comparisons of a kind are absent.
    """
    orders = _orders(comparisons, scored, settings)
    contrasts = _contrasts(scored)
    drawn, too_few = _drawn(orders, samples, settings)
    known += too_few
    if drawn:
        known += few_replicates(len(drawn.replicates), len(contrasts))
    pairs = comparisons.pairs
    compared = pairs.sample_ids[np.unique(np.concatenate([pairs.first, pairs.second]))]
    return TestBed(
        benchmark,
        comparisons.recogniser,
        n_subjects=len(np.unique(samples.at(compared).subject_ids)),
        n_images=len(compared),
        n_mated=len(comparisons.mated),
        n_non_mated=len(comparisons.non_mated),
        fmr=settings.fmr,
        evaluations=tuple(
            _evaluation(item, order, comparisons, drawn, known, settings)
            for item, order in zip(scored, orders, strict=True)
        ),
        differences=drawn.differences(settings.measures[0], contrasts) if drawn and contrasts else (),
        det=det(comparisons),
        accuracy=None if pairs.folds is None else verification_accuracy(comparisons),
    )


def hold_threshold(
    comparisons: ComparisonScores, convention: Convention, *, fmr: float
) -> tuple[float | None, ComparisonScores]:
    """The threshold of a convention that fixes it, and the comparisons that curves at it need.

    A bootstrap over what is returned holds the threshold, and is quick where mated pairs leave alone.

    Returns:
        (threshold, comparisons); (None, all of them) where the threshold moves.
    """
    if convention.threshold == "rederived":
        return None, comparisons
    threshold = threshold_at_fmr(comparisons.non_mated, fmr, rule=convention.rule, mated=comparisons.mated)
    if convention.population == "all":
        return threshold, comparisons
    return threshold, comparisons.rows(comparisons.pairs.mated)


def _orders(
    comparisons: ComparisonScores, scored: Sequence[Scored], settings: EvaluationSettings
) -> list[DiscardOrder]:
    threshold, counted = hold_threshold(comparisons, settings.convention, fmr=settings.fmr)
    return [
        discard_order(
            counted,
            replace(item.scores, method=item.name),
            convention=settings.convention,
            fmr=settings.fmr,
            threshold=threshold,
        )
        for item in scored
    ]


def _drawn(
    orders: Sequence[DiscardOrder], samples: SampleSet, settings: EvaluationSettings
) -> tuple[Bootstrap | None, tuple[Caveat, ...]]:
    """The replicates, or None where none are wanted or, as a caveat then says, the data are too few."""
    if not settings.replicates:
        return None, ()
    rng = np.random.default_rng(settings.seed)
    try:
        return bootstrap(
            orders, samples, measures=settings.measures, replicates=settings.replicates, rng=rng
        ), ()
    except TooFewError as error:
        return None, (Caveat("no_intervals", str(error)),)


def _evaluation(
    item: Scored,
    order: DiscardOrder,
    comparisons: ComparisonScores,
    drawn: Bootstrap | None,
    known: tuple[Caveat, ...],
    settings: EvaluationSettings,
) -> Evaluation:
    curve = order.curve()
    intervals = (
        {measure: drawn.interval(item.name, measure) for measure in settings.measures} if drawn else {}
    )
    warnings = (*caveats(curve, comparisons, fmr=settings.fmr), *known)
    return Evaluation(item.method, item.variant, curve, intervals, warnings)


def _contrasts(scored: Sequence[Scored]) -> list[tuple[str, str]]:
    """Each variant of a method against its first one, `ON_BASE`, and the one before it, each pair once."""
    found: dict[tuple[str, str], None] = {}
    for method in dict.fromkeys(item.method for item in scored):
        rows = [item for item in scored if item.method == method]
        base = next((place for place, item in enumerate(rows) if item.variant == ON_BASE), 0)
        for place in range(1, len(rows)):
            for earlier in sorted({0, base, place - 1}):
                if earlier < place:
                    found[rows[place].name, rows[earlier].name] = None
    return list(found)
