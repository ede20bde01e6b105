"""What the numbers say, in sentences that follow from them alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .caveats import CHANCE
from .pauc import Measure
from .resample import Difference
from .results import ON_BASE, ON_OPTIMISED, RAW, Evaluation, Report, TestBed

KINDS = {
    "raw": "raw pAUC",
    "mean": "mean error rate",
    "normalised": "normalised pAUC",
    "excess": "pAUC above the attainable bound",
}


def measure_name(measure: Measure) -> str:
    """The measure in words, such as "normalised pAUC to 0.3"."""
    return f"{KINDS[measure.kind]} to\N{NO-BREAK SPACE}{measure.limit:g}"


def signed_percent(share: float, *, digits: int = 1) -> str:
    """A change in per cent with its sign, such as "+3.1%"."""
    return f"{share:+.{digits}%}".replace("-", "\N{MINUS SIGN}")


def findings(report: Report) -> tuple[str, ...]:
    """One sentence each on the best scores, on fine-tuning alone, and on the optimisation of labels."""
    measure = report.measures[0]
    sentences = [_best(bed, measure) for bed in report.test_beds]
    sentences.append(
        _effect(report, measure, (ON_BASE, RAW), "Training alone (raw score to regressor on base labels)")
    )
    sentences.append(_effect(report, measure, (ON_OPTIMISED, ON_BASE), "Optimising the labels"))
    return tuple(sentence for sentence in sentences if sentence)


def _best(bed: TestBed, measure: Measure) -> str:
    valued = [(one.value(measure), one) for one in bed.evaluations]
    defined = [(value, one) for value, one in valued if value is not None]
    if not defined:
        return f"On {bed.name} no error is left at zero discard: nothing can be said about quality scores."
    value, best = min(defined, key=lambda pair: pair[0])
    interval = best.intervals.get(measure)
    spread = f" [{interval.low:.3g}, {interval.high:.3g}]" if interval else ""
    curve, limit = best.curve, measure.limit
    return (
        f"On {bed.name}, {_phrase(best)} has the lowest {measure_name(measure)}: {value:.3g}{spread}; "
        f"leaving out the worst {limit:.0%} takes the {curve.error.upper()} "
        f"from {curve.error_at_zero:.2%} to {curve.at(limit):.2%}."
    )


def _effect(report: Report, measure: Measure, variants: tuple[str, str], subject: str) -> str:
    """How often, and by how much, the first variant is below the second, over all methods and benchmarks."""
    changes, differences = [], []
    for bed in report.test_beds:
        for method in bed.methods:
            after, before = (bed.find(method, variant) for variant in variants)
            if after is None or before is None:
                continue
            new, old = after.value(measure), before.value(measure)
            if new is not None and old:
                changes.append(new / old - 1)
                differences += _between(bed.differences, after, before, measure)
    if not changes:
        return ""
    better = sum(change < 0 for change in changes)
    cells = "cell" if len(changes) == 1 else "cells"
    sentence = (
        f"{subject} lowers the {measure_name(measure)} in {better} of {len(changes)} {cells} "
        f"(mean change {signed_percent(float(np.mean(changes)))})"
    )
    if not differences:
        return f"{sentence}; no intervals were computed."
    down = sum(one.p_holm < CHANCE and one.change.estimate < 0 for one in differences)
    up = sum(one.p_holm < CHANCE and one.change.estimate > 0 for one in differences)
    return f"{sentence}; {down} fall and {up} rise beyond chance (Holm-corrected p < {CHANCE:g})."


def _between(
    differences: Sequence[Difference], after: Evaluation, before: Evaluation, measure: Measure
) -> list[Difference]:
    names = (after.curve.method, before.curve.method, measure)
    return [one for one in differences if (one.method, one.baseline, one.measure) == names]


def _phrase(one: Evaluation) -> str:
    return one.method if one.variant == RAW else f"{one.method} ({one.variant})"
