"""Results as tables: curves for CSV, areas in the layout of published tables for LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .pauc import Measure
from .results import TestBed


def curve_table(test_beds: Sequence[TestBed]) -> dict[str, NDArray[np.generic]]:
    """All curves below each other, one row a point, as columns of one length."""
    rows = [(bed, one) for bed in test_beds for one in bed.evaluations]
    lengths = [len(one.curve.discard_fraction) for _, one in rows]
    names = {
        "benchmark": [bed.benchmark for bed, _ in rows],
        "recogniser": [bed.recogniser for bed, _ in rows],
        "method": [one.method for _, one in rows],
        "variant": [one.variant for _, one in rows],
        "convention": [one.curve.convention.name for _, one in rows],
    }
    points = ("discard_fraction", "error_rate", "n_errors", "n_kept", "thresholds")
    return {
        **{name: np.repeat(np.array(column), lengths) for name, column in names.items()},
        **{name: np.concatenate([getattr(one.curve, name) for _, one in rows]) for name in points},
    }


def best_of(values: Sequence[float | None], *, digits: int) -> NDArray[np.bool_]:
    """Which of the values, as printed with `digits` decimals, are the lowest; None never is."""
    printed = np.array([np.inf if value is None else round(value, digits) for value in values])
    best: NDArray[np.bool_] = np.isfinite(printed) & (printed == printed.min(initial=np.inf))
    return best


def latex_table(
    test_beds: Sequence[TestBed], measure: Measure, *, scale: float = 1e3, digits: int = 1
) -> str:
    r"""Methods and variants down, recognisers and benchmarks across, as published tables have it.

    The best variant of each method in each column is bold; ties, as printed, are bold together. Needs the
    packages booktabs and multirow.

    Args:
        test_beds: Columns, grouped by recogniser in the order of first appearance.
        measure: The area to print.
        scale: Printed values are areas times this.
        digits: Decimals printed.

    Raises:
        DataError: If there is no test bed.
    """
    if not test_beds:
        raise DataError("a table needs at least one test bed")
    recognisers = list(dict.fromkeys(bed.recogniser for bed in test_beds))
    beds = [bed for name in recognisers for bed in test_beds if bed.recogniser == name]
    groups = [sum(bed.recogniser == name for bed in beds) for name in recognisers]
    methods = list(dict.fromkeys(method for bed in beds for method in bed.methods))
    variants = list(dict.fromkeys(variant for bed in beds for variant in bed.variants))
    stops = np.cumsum(groups) + 2
    lines = [
        rf"% {measure.kind} area to discard fraction {measure.limit:g}, times {scale:g}; lower is better",
        rf"\begin{{tabular}}{{ll{'r' * len(beds)}}}",
        r"\toprule",
        " & ".join(
            [
                "",
                "",
                *(
                    rf"\multicolumn{{{n}}}{{c}}{{{_escaped(r)}}}"
                    for n, r in zip(groups, recognisers, strict=True)
                ),
            ]
        )
        + r" \\",
        " ".join(rf"\cmidrule(lr){{{stop - n + 1}-{stop}}}" for n, stop in zip(groups, stops, strict=True)),
        " & ".join(["Method", "Labels", *(_escaped(bed.benchmark) for bed in beds)]) + r" \\",
    ]
    for method in methods:
        lines += [
            r"\midrule",
            *_method_rows(
                method,
                variants,
                [_column(bed, method, variants, measure, scale) for bed in beds],
                digits,
            ),
        ]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _column(
    bed: TestBed, method: str, variants: Sequence[str], measure: Measure, scale: float
) -> list[float | None]:
    """Scaled value of each variant of a method, None where there is none."""
    found = [bed.find(method, variant) for variant in variants]
    values = [None if one is None else one.value(measure) for one in found]
    return [None if value is None else value * scale for value in values]


def _method_rows(
    method: str, variants: Sequence[str], columns: Sequence[Sequence[float | None]], digits: int
) -> list[str]:
    present = [row for row in range(len(variants)) if any(column[row] is not None for column in columns)]
    bold = [best_of(column, digits=digits) for column in columns]
    rows = []
    for row in present:
        cells = [
            "--"
            if column[row] is None
            else rf"\textbf{{{column[row]:.{digits}f}}}"
            if best[row]
            else f"{column[row]:.{digits}f}"
            for column, best in zip(columns, bold, strict=True)
        ]
        head = rf"\multirow{{{len(present)}}}{{*}}{{{_escaped(method)}}}" if row == present[0] else ""
        rows.append(" & ".join([head, _escaped(variants[row]), *cells]) + r" \\")
    return rows


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
