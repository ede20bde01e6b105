"""Results as tables: curves for CSV, areas in the layout of published tables for LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

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
    methods = list(dict.fromkeys(method for bed in beds for method in bed.methods))
    variants = list(dict.fromkeys(variant for bed in beds for variant in bed.variants))

    def value(method: str, variant: str, column: int) -> float | None:
        found = beds[column].find(method, variant)
        area = None if found is None else found.value(measure)
        return None if area is None else area * scale

    grid = Grid(
        f"{measure.kind} area to discard fraction {measure.limit:g}, times {scale:g}; lower is better",
        tuple((bed.recogniser, bed.benchmark) for bed in beds),
        tuple((method, variant) for method in methods for variant in variants),
        value,
        digits=digits,
    )
    return grid.latex()


@dataclass(frozen=True)
class Grid:
    """A table in the published layout; the lowest value of a method in each column is bold, ties as printed.

    Attributes:
        title: What the numbers are.
        columns: (recogniser, benchmark) of each column, those of one recogniser beside each other.
        rows: (method, variant) of each row, those of one method below each other; rows without a value are
            left out.
        value: The number at (method, variant, column), or None.
        note: What follows it there, in the language of the table; may be empty.
        digits: Decimals printed.
    """

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str], ...]
    value: Callable[[str, str, int], float | None]
    note: Callable[[str, str, int], str] = lambda method, variant, column: ""  # noqa: ARG005
    digits: int = 1

    def latex(self) -> str:
        """Needs the packages booktabs and multirow."""
        groups = [(name, len(list(group))) for name, group in groupby(self.columns, key=lambda one: one[0])]
        stops = accumulate((n for _, n in groups), initial=2)
        heads = [rf"\multicolumn{{{n}}}{{c}}{{{_escaped(name)}}}" for name, n in groups]
        lines = [
            f"% {self.title}",
            rf"\begin{{tabular}}{{ll{'r' * len(self.columns)}}}",
            r"\toprule",
            " & ".join(["", "", *heads]) + r" \\",
            " ".join(rf"\cmidrule(lr){{{a + 1}-{b}}}" for a, b in pairwise(stops)),
            " & ".join(["Method", "Labels", *(_escaped(name) for _, name in self.columns)]) + r" \\",
        ]
        for method, rows in groupby(self._printed(r"\textbf{{{}}}"), key=lambda row: row[0]):
            shown = list(rows)
            lines.append(r"\midrule")
            for number, (_, variant, cells) in enumerate(shown):
                head = "" if number else rf"\multirow{{{len(shown)}}}{{*}}{{{_escaped(method)}}}"
                lines.append(" & ".join([head, _escaped(variant), *cells]) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def markdown(self) -> str:
        """A pipe table under a line with the title."""
        heads = ["Method", "Labels", *(f"{name}, {recogniser}" for recogniser, name in self.columns)]
        body = [[method, variant, *cells] for method, variant, cells in self._printed("**{}**")]
        rule = ["---", "---", *["---:"] * len(self.columns)]
        return "\n".join([f"{self.title}\n", *(f"| {' | '.join(row)} |" for row in (heads, rule, *body)), ""])

    def _printed(self, bold: str) -> Iterator[tuple[str, str, list[str]]]:
        """Method, variant and cells of each row that has a value."""
        places = range(len(self.columns))
        for method, rows in groupby(self.rows, key=lambda row: row[0]):
            variants = [variant for _, variant in rows]
            values = [[self.value(method, variant, place) for variant in variants] for place in places]
            best = [best_of(column, digits=self.digits) for column in values]
            for row, variant in enumerate(variants):
                if any(column[row] is not None for column in values):
                    yield (
                        method,
                        variant,
                        [
                            self._cell(values[place][row], bold if best[place][row] else "{}")
                            + self.note(method, variant, place)
                            for place in places
                        ],
                    )

    def _cell(self, value: float | None, frame: str) -> str:
        return "--" if value is None else frame.format(f"{value:.{self.digits}f}")


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, "\\" + character)
    return text
