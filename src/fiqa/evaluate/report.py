"""One self-contained HTML page with all that an evaluation found."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from .figures import (
    GROUND,
    INK,
    MUTED,
    RULE,
    SERIES,
    det_figure,
    difference_figure,
    edc_figure,
    jpeg,
    shift_figure,
    svg,
)
from .findings import findings, measure_name, signed_percent
from .label_shift import LabelShift
from .pauc import Measure
from .results import ON_BASE, ON_OPTIMISED, RAW, Report, TestBed
from .tables import best_of

PRINTED = {"raw": (1e3, 1), "mean": (1e3, 1), "normalised": (1.0, 3), "excess": (1e3, 1)}  # scale, decimals
STEPS = {
    (ON_BASE, RAW): "training on base labels",
    (ON_OPTIMISED, ON_BASE): "optimising the labels",
    (ON_OPTIMISED, RAW): "both together",
}
PAGE_COLOURS = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    GROUND: "--ground",
    **{colour: f"--series-{number}" for number, colour in enumerate(SERIES)},
}


def render(report: Report) -> str:
    """The report as HTML: pictures inside, no script, no network, light and dark.

    Every number on the page, and more of them, is in `report.to_dict()`.
    """
    return page(
        "report.html.j2",
        report=report,
        findings=findings(report),
        beds=[_section(bed, report, number) for number, bed in enumerate(report.test_beds)],
        summary=_summary(report) if len(report.test_beds) > 1 else None,
        det=_det(report),
        shifts=[_shift(shift, f"shift{number}") for number, shift in enumerate(report.shifts)],
        caveats=_caveats(report),
    )


def page(template: str, **values: Any) -> str:
    """One of this package's pages as HTML; a value that the page does not find is an error."""
    environment = Environment(
        loader=PackageLoader("fiqa", "evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, signed_percent=signed_percent, thumbnail=_thumbnail)
    return environment.get_template(template).render(**values)


def _section(bed: TestBed, report: Report, number: int) -> dict[str, Any]:
    """One test bed: its curves, the table of its areas, and the differences between methods."""
    main = report.measures[0]
    labels = {one.curve.method: (one.method, one.variant) for one in bed.evaluations}
    shown = [
        (_contrast(labels[one.method], labels[one.baseline]), one)
        for one in bed.differences
        if one.measure == main and {one.method, one.baseline} <= labels.keys()
    ]
    return {
        "bed": bed,
        "id": f"bed-{number}",
        "curves": _on_page(svg(edc_figure(bed)), f"edc{number}"),
        "convention": bed.evaluations[0].curve.convention,
        "threshold": bed.evaluations[0].curve.threshold,
        "headings": [_heading(measure) for measure in report.measures],
        "rows": _rows(bed, report.measures),
        "has_intervals": any(one.intervals for one in bed.evaluations),
        "differences": _on_page(svg(difference_figure(shown)), f"diff{number}") if shown else None,
        "difference_measure": measure_name(main),
    }


def _rows(bed: TestBed, measures: tuple[Measure, ...]) -> list[dict[str, Any]]:
    """Rows of the table: method, variant, and a cell for each measure."""
    columns = []
    for measure in measures:
        scale, digits = PRINTED[measure.kind]
        values = [one.value(measure) for one in bed.evaluations]
        scaled = [None if value is None else value * scale for value in values]
        columns.append((measure, scaled, *_bests(bed, scaled, digits)))
    rows = []
    for row, one in enumerate(bed.evaluations):
        cells = []
        for measure, scaled, overall, within in columns:
            scale, digits = PRINTED[measure.kind]
            value, interval = scaled[row], one.intervals.get(measure)
            cells.append(
                {
                    "text": "–" if value is None else f"{value:.{digits}f}",
                    "interval": interval
                    and f"{interval.low * scale:.{digits}f} – {interval.high * scale:.{digits}f}",
                    "best": bool(overall[row]),
                    "best_of_method": bool(within[row]),
                }
            )
        first = row == 0 or bed.evaluations[row - 1].method != one.method
        rows.append({"method": one.method, "variant": one.variant, "cells": cells, "first": first})
    return rows


def _bests(
    bed: TestBed, values: list[float | None], digits: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values are the lowest of all, and which the lowest of several variants of their method."""
    within = np.zeros(len(values), dtype=bool)
    for method in bed.methods:
        rows = [row for row, one in enumerate(bed.evaluations) if one.method == method]
        within[rows] = len(rows) > 1 and best_of([values[row] for row in rows], digits=digits)
    return best_of(values, digits=digits), within


def _summary(report: Report) -> dict[str, Any]:
    """The first measure of every method and variant across all benchmarks."""
    measure = report.measures[0]
    scale, digits = PRINTED[measure.kind]
    areas = report.areas()
    keys = list(areas)
    columns = [
        [None if value is None else value * scale for value in column]
        for column in zip(*areas.values(), strict=True)
    ]
    bests = [best_of(column, digits=digits) for column in columns]
    stability = report.stability()
    ranks = {} if stability is None else dict(zip(stability[0], stability[1].mean_ranks, strict=True))
    rows = [
        {
            "method": method,
            "variant": variant,
            "first": row == 0 or keys[row - 1][0] != method,
            "rank": f"{ranks[method, variant]:.1f}" if (method, variant) in ranks else "–",
            "cells": [
                {"text": "–" if column[row] is None else f"{column[row]:.{digits}f}", "best": bool(best[row])}
                for column, best in zip(columns, bests, strict=True)
            ],
        }
        for row, (method, variant) in enumerate(keys)
    ]
    return {
        "heading": _heading(measure),
        "beds": report.test_beds,
        "rows": rows,
        "stability": stability and stability[1],
    }


def _shift(shift: LabelShift, key: str) -> dict[str, Any]:
    """What an optimisation did to the labels of one method."""
    size = np.abs(shift.shift)
    facts = {
        "samples": len(shift.base),
        "Spearman to the base": shift.spearman,
        "mean shift of rank": f"{size.mean():.1%}",
        "largest": f"{size.max():.1%}",
        "moved by more than 5%": f"{np.mean(size > 0.05):.1%} of samples",
        "largest mean shift of a subject": signed_percent(max(shift.subject_shift, key=abs)),
    }
    return {"shift": shift, "figure": _on_page(svg(shift_figure(shift)), key), "facts": facts}


def _det(report: Report) -> str | None:
    curves = [(bed.name, bed.det) for bed in report.test_beds if bed.det is not None]
    if not curves:
        return None
    return _on_page(svg(det_figure(curves, fmr=report.test_beds[0].fmr)), "det")


def _caveats(report: Report) -> list[tuple[str, str]]:
    """Where, and what; a caveat that several methods share on a test bed is said once."""
    return list(
        dict.fromkeys(
            (bed.name, caveat.message)
            for bed in report.test_beds
            for one in bed.evaluations
            for caveat in one.caveats
        )
    )


def _heading(measure: Measure) -> dict[str, str]:
    scale, _ = PRINTED[measure.kind]
    return {"name": measure_name(measure), "unit": "" if scale == 1 else "× 10⁻³"}


def _contrast(after: tuple[str, str], before: tuple[str, str]) -> str:
    if after[0] == before[0]:
        change = STEPS.get((after[1], before[1]), f"{after[1]} − {before[1]}")
        return f"{after[0]} · {change}"
    return " − ".join(name if variant == RAW else f"{name} ({variant})" for name, variant in (after, before))


def _number(value: object, digits: int = 4) -> str:
    """Numbers as people read them: thousands apart, else so many significant digits."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_number, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if float(value).is_integer() or abs(value) >= 10**digits:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "\N{MINUS SIGN}")
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _thumbnail(image: NDArray[np.uint8]) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(image)).decode()


def _on_page(text: str, key: str, colours: Mapping[str, str] = PAGE_COLOURS) -> str:
    """An SVG fit to stand in a page beside others: ids of its own, and the colours of the page."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{key}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(href="|url\()#', rf"\1#{key}-", text)
    for colour, variable in colours.items():
        text = text.replace(colour, f"var({variable})")
    return text
