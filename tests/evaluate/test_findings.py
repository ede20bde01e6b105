from __future__ import annotations

from dataclasses import replace

import numpy as np

from fiqa.evaluate.findings import findings, measure_name, signed_percent
from fiqa.evaluate.pauc import Measure
from fiqa.evaluate.results import ON_BASE, ON_OPTIMISED, RAW, Report


def test_sentences_follow_from_the_numbers(report) -> None:
    first, second, training, optimising = findings(report)
    bed = report.test_beds[0]
    measure = report.measures[0]
    best = min(bed.evaluations, key=lambda one: one.value(measure))
    interval = best.intervals[measure]
    start, end = best.curve.error_at_zero, best.curve.at(0.3)
    assert first == (
        f"On Made-up · none & all, {best.method} (regressor, optimised labels) has the lowest "
        f"{measure_name(measure)}: {best.value(measure):.3g} [{interval.low:.3g}, {interval.high:.3g}]; "
        f"leaving out the worst 30% takes the FNMR from {start:.2%} to {end:.2%}."
    )
    assert second.startswith("On Made-up 2 · ")
    changes = [
        bed.find(method, ON_OPTIMISED).value(measure) / bed.find(method, ON_BASE).value(measure) - 1
        for bed in report.test_beds
        for method in bed.methods
    ]
    assert f"in 4 of 4 cells (mean change {signed_percent(np.mean(changes))})" in optimising
    assert "beyond chance (Holm-corrected p < 0.05)" in optimising
    assert training.startswith("Training alone")


def test_nothing_is_said_of_what_was_not_done(make_bed) -> None:
    bed = make_bed(variants=(RAW,))
    only_raw = Report("t", (bed,))
    assert len(findings(only_raw)) == 1
    without = replace(make_bed(), differences=())
    assert findings(Report("t", (without,)))[-1].endswith("no intervals were computed.")


def test_no_error_left(make_bed) -> None:
    bed = make_bed(variants=(RAW,))
    clean = tuple(
        replace(
            one,
            curve=replace(one.curve, n_errors=one.curve.n_errors * 0, error_rate=one.curve.error_rate * 0),
        )
        for one in bed.evaluations
    )
    (sentence,) = findings(Report("t", (replace(bed, evaluations=clean),)))
    assert "no error is left at zero discard" in sentence


def test_words_for_numbers() -> None:
    assert measure_name(Measure("raw", 0.95)) == "raw pAUC to\N{NO-BREAK SPACE}0.95"
    assert signed_percent(-0.0312) == "\N{MINUS SIGN}3.1%"
    assert signed_percent(0.5, digits=0) == "+50%"
