"""Tables of a reproduced study in the layout of the published ones, and what they say in total."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..evaluate.agreement import rank_stability
from ..evaluate.caveats import CHANCE
from ..evaluate.results import RAW
from ..evaluate.tables import Grid
from ..io.atomic import HEADER, atomic
from ..io.store import read_json, write_json
from .benchmarks import ALL
from .reproduce import Study
from .reproduce_stages import AUC, BASE, ORACLE, PAUC, Plan, on_labels

Published = Mapping[tuple[str, str, str, str], float]
"""Published AUC by recogniser, title of the method, row and column."""
BOUND = "bound"
_LIMIT = 0.3
_PUBLISHED_ROWS = {"Baseline": RAW, "Optimized": on_labels("published")}
_TITLES = {
    "auc": f"AUC x 10^-3 at the FMR of the study, convention {AUC}; (published; † not comparable)",
    "pauc": f"pAUC to {_LIMIT:g} as a share of that of a score that tells nothing, convention {PAUC}",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of a table in one of its columns; lower areas are better.

    Attributes:
        method: Name in the study file, `ORACLE`, or `BOUND`: the lowest that any order of pairs can reach.
        labels: Raw score, or the labels that the regressor learnt.
        recogniser: What compared.
        benchmark: What was compared.
        n_mated: Mated pairs.
        fnmr: FNMR with nothing discarded.
        auc: Area to 0.95 by the published convention, times 1000; None where it was not drawn.
        pauc: Normalised area to 0.3 by our own; None where nothing is left to discard.
        bound: The lowest that `pauc` could be.
        published: The published `auc` of that place in the table, if there is one.
        comparable: Whether it stands for the same benchmark and the same recognisers.
    """

    method: str
    labels: str
    recogniser: str
    benchmark: str
    n_mated: int = 0
    fnmr: float = 0.0
    auc: float | None = None
    pauc: float | None = None
    bound: float | None = None
    published: float | None = None
    comparable: bool = False


def write_tables(name: str, study: Study, plan: Plan, output: Path) -> Path:
    """Write the folder ``tables``: same-model, cross-model, limited, differences, summary.

    Args:
        name: Of the published study.
        study: What was run.
        plan: How.
        output: Folder of the study.

    Returns:
        The file that sums up.
    """
    published, written = read_published(name), {stage.output for stage in plan.stages}
    cells: list[Cell] = []
    limited: list[Cell] = []
    ceiling: list[Cell] = []
    differences: list[dict[str, Any]] = []
    for benchmark in plan.trained_on:
        folder, protocol = output / "reports" / benchmark, study.benchmark[benchmark].published
        for cell, is_list in read_cells(folder / PAUC, folder / AUC, benchmark):
            cells.append(_beside(cell, study, plan, published, protocol if is_list else ""))
        differences += read_differences(folder / PAUC, benchmark)
        for key in study.method:
            own, theirs = (folder / f"part-{key}-{convention}" for convention in (PAUC, AUC))
            found = read_cells(own, theirs, benchmark) if own in written else ()
            limited += [replace(one, benchmark=f"{benchmark}, {one.n_mated} mated") for one, _ in found]
        for recogniser in plan.recognisers:
            found = read_cells(folder / f"{ORACLE}-{recogniser}", None, benchmark)
            ceiling += [replace(one, labels="sees the test") for one, _ in found]
    ceiling += [replace(one, method=BOUND, labels="any order", pauc=one.bound) for one in ceiling]
    same = [cell for cell in (*cells, *ceiling) if cell.recogniser == plan.recognisers[0]]
    cross = [cell for cell in (*cells, *ceiling) if cell.recogniser != plan.recognisers[0]]
    with atomic(output / "tables") as folder:
        folder.mkdir()
        for title, group in (("same-model", same), ("cross-model", cross), ("limited", limited)):
            if group:
                _write_table(folder / title, group, study)
        judged = [cell for cell in cells if not study.method[cell.method].control]
        rows = [*summary_rows(judged, plan.labels, differences), *_published_summary(published)]
        if differences:
            (folder / "differences.csv").write_text(_csv(differences), encoding="utf-8")
        (folder / "summary.csv").write_text(_csv(rows), encoding="utf-8")
        (folder / "summary.md").write_text(_summary(rows, judged, ceiling, plan), encoding="utf-8")
        write_json(folder / HEADER, {"study": name, **asdict(study), "recognisers": plan.recognisers})
    return output / "tables" / "summary.md"


def read_published(name: str) -> Published:
    """The published numbers that come with a study."""
    text = (resources.files(__package__) / "studies" / f"{name}.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        (row["recogniser"], row["method"], _PUBLISHED_ROWS[row["labels"]], column): float(row[column])
        for row in rows
        for column in list(row)[3:]
        if row[column]
    }


def read_cells(own: Path, published: Path | None, benchmark: str) -> Iterator[tuple[Cell, bool]]:
    """What `fiqa evaluate` wrote of the same scores and pairs, by our own convention and the published one.

    Yields:
        Each cell, and whether it is of a pair list, not of all mated pairs.
    """
    beds = read_json(own / "results.json")["test_beds"]
    others = beds if published is None else read_json(published / "results.json")["test_beds"]
    for bed, other in zip(beds, others, strict=True):
        is_list = bed["benchmark"] != ALL
        for one, two in zip(bed["evaluations"], other["evaluations"], strict=True):
            area = next(item for item in one["areas"] if item["limit"] == _LIMIT)
            start = one["curve"]["fnmr0"]
            whole = None if published is None else max(two["areas"], key=lambda item: item["limit"])["raw"]
            yield (
                Cell(
                    method=one["method"],
                    labels=one["variant"],
                    recogniser=bed["recogniser"],
                    benchmark=_named(bed, benchmark),
                    n_mated=bed["n_mated"],
                    fnmr=start,
                    auc=None if whole is None else whole * 1e3,
                    pauc=area["normalised"],
                    bound=(area["raw"] - area["excess"]) / (_LIMIT * start) if start else None,
                ),
                is_list,
            )


def _named(bed: Mapping[str, Any], benchmark: str) -> str:
    return f"{benchmark}, all pairs" if bed["benchmark"] == ALL else benchmark


def read_differences(report: Path, benchmark: str) -> Iterator[dict[str, Any]]:
    """Paired differences of normalised pAUC that `fiqa evaluate` wrote; negative = `after` is better."""
    for bed in read_json(report / "results.json")["test_beds"]:
        for one in bed["differences"]:
            (method, _, after), (_, _, before) = (one[end].partition(" · ") for end in ("method", "baseline"))
            change = {
                "change": one["change"]["estimate"],
                **{end: one["change"][end] for end in ("low", "high")},
            }
            yield {
                "method": method,
                "after": after,
                "before": before,
                "recogniser": bed["recogniser"],
                "benchmark": _named(bed, benchmark),
                **{name: round(value, 5) for name, value in {**change, "p_holm": one["p_holm"]}.items()},
            }


def summary_rows(
    cells: Sequence[Cell], labels: Sequence[str], differences: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """How many cells get better, and by how much, when the labels change.

    Over all cells, by benchmark and by recogniser; beyond chance is a paired difference with p below 0.05
    after Holm's correction over its test bed.
    """
    contrasts = [("fine-tuning alone", on_labels(BASE), RAW)]
    for variant in labels:
        contrasts.append((f"{variant} labels against base labels", on_labels(variant), on_labels(BASE)))
        contrasts.append((f"{variant} labels against raw score", on_labels(variant), RAW))
    measures: tuple[Literal["auc", "pauc"], ...] = ("auc", "pauc")
    return [
        row
        for name, after, before in contrasts
        for measure in measures
        for row in _changes(
            name,
            cells,
            measure,
            after=after,
            before=before,
            differences=differences if measure == "pauc" else (),
        )
    ]


def _changes(
    name: str,
    cells: Sequence[Cell],
    measure: Literal["auc", "pauc"],
    *,
    after: str,
    before: str,
    differences: Sequence[Mapping[str, Any]] = (),
) -> Iterator[dict[str, Any]]:
    """Rows of one contrast; cells of an area of 0 have no relative change and are left out."""
    found = {(c.method, c.recogniser, c.benchmark, c.labels): getattr(c, measure) for c in cells}
    sure = {
        (one["method"], one["recogniser"], one["benchmark"]): one["change"]
        for one in differences
        if (one["after"], one["before"]) == (after, before) and one["p_holm"] < CHANCE
    }
    changes: dict[str, list[tuple[float, float]]] = {}
    for (method, recogniser, benchmark, labels), new in found.items():
        old = found.get((method, recogniser, benchmark, before))
        if labels == after and new is not None and old:
            beyond = sure.get((method, recogniser, benchmark), 0.0)
            for group in ("all", benchmark, f"by {recogniser}"):
                changes.setdefault(group, []).append((new / old - 1.0, beyond))
    for group, values in changes.items():
        yield {
            "change": name,
            "area": measure,
            "where": group,
            "cells": len(values),
            "better": sum(value < 0 for value, _ in values),
            "worse": sum(value > 0 for value, _ in values),
            "mean_change_percent": round(100 * sum(value for value, _ in values) / len(values), 2),
            "better_beyond_chance": sum(beyond < 0 for _, beyond in values) if differences else "",
            "worse_beyond_chance": sum(beyond > 0 for _, beyond in values) if differences else "",
        }


def _published_summary(published: Published) -> Iterator[dict[str, Any]]:
    cells = [
        Cell(method=method, labels=labels, recogniser=recogniser, benchmark=column, auc=value)
        for (recogniser, method, labels, column), value in published.items()
    ]
    name = "as published: published labels against raw score"
    return _changes(name, cells, "auc", after=on_labels("published"), before=RAW)


def _beside(cell: Cell, study: Study, plan: Plan, published: Published, column: str) -> Cell:
    """The cell with the published number of its place; another quality recogniser is not comparable."""
    theirs = study.quality_recognisers[0]
    recogniser = theirs if cell.recogniser == plan.recognisers[0] else cell.recogniser
    value = published.get((recogniser, study.method[cell.method].title, cell.labels, column))
    return replace(cell, published=value, comparable=value is not None and plan.recognisers[0] == theirs)


def _write_table(path: Path, cells: Sequence[Cell], study: Study) -> None:
    """One table as CSV (a row a cell), Markdown and LaTeX (a grid an area)."""
    path.with_suffix(".csv").write_text(_csv([asdict(cell) for cell in cells]), encoding="utf-8")
    grids = [_grid(cells, study, "auc", "†"), _grid(cells, study, "pauc", "†")]
    path.with_suffix(".md").write_text("\n".join(grid.markdown() for grid in grids), encoding="utf-8")
    grids = [_grid(cells, study, "auc", r"$^\dagger$"), _grid(cells, study, "pauc", "")]
    path.with_suffix(".tex").write_text("\n".join(grid.latex() for grid in grids), encoding="utf-8")


def _grid(cells: Sequence[Cell], study: Study, measure: Literal["auc", "pauc"], mark: str) -> Grid:
    titles = {name: method.title for name, method in study.method.items()}
    shown = {(titles.get(c.method, c.method), c.labels, c.recogniser, c.benchmark): c for c in cells}
    recognisers = list(dict.fromkeys(cell.recogniser for cell in cells))
    columns = dict.fromkeys((cell.recogniser, cell.benchmark) for cell in cells)
    ordered = tuple(sorted(columns, key=lambda column: recognisers.index(column[0])))
    methods = dict.fromkeys(method for method, *_ in shown)
    labels = dict.fromkeys(cell.labels for cell in cells)

    def value(method: str, variant: str, column: int) -> float | None:
        cell = shown.get((method, variant, *ordered[column]))
        return None if cell is None else getattr(cell, measure)

    def note(method: str, variant: str, column: int) -> str:
        cell = shown.get((method, variant, *ordered[column]))
        if measure == "pauc" or cell is None or cell.published is None:
            return ""
        return f" ({cell.published:.1f}{'' if cell.comparable else mark})"

    rows = tuple((method, label) for method in methods for label in labels)
    return Grid(_TITLES[measure], ordered, rows, value, note, digits=1 if measure == "auc" else 3)


def _summary(rows: list[dict[str, Any]], cells: Sequence[Cell], ceiling: Sequence[Cell], plan: Plan) -> str:
    """What was run on what, the changes, and how far the best scores are from the ceiling."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in (*cells, *ceiling):
        row = best.setdefault(
            (cell.benchmark, cell.recogniser), {"benchmark": cell.benchmark, "recogniser": cell.recogniser}
        )
        name = cell.method if cell.method in (ORACLE, BOUND) else "best of the tables"
        if cell.pauc is not None:
            row[name] = min(cell.pauc, row.get(name, cell.pauc))
    heads = ("benchmark", "recogniser", "best of the tables", ORACLE, BOUND)
    ends = [
        {
            head: f"{row[head]:.3f}" if isinstance(row.get(head), float) else row.get(head, "--")
            for head in heads
        }
        for row in best.values()
    ]
    lines = [
        f"Quality recogniser {plan.recognisers[0]}; trained on: "
        + ", ".join(f"{other} for {name}" for name, other in plan.trained_on.items()),
        *(f"- left out: {line}" for line in plan.left_out),
    ]
    lines += ["", _stability(cells)]
    return "\n".join([*lines, "", _markdown(rows), f"The ceiling, {_TITLES['pauc']}:", "", _markdown(ends)])


def _stability(cells: Sequence[Cell]) -> str:
    """How alike the columns order the methods and labels that all of them have."""
    table: dict[tuple[str, str], list[float | None]] = {}
    for cell in cells:
        table.setdefault((cell.method, cell.labels), []).append(cell.pauc)
    most = max(map(len, table.values()))
    whole = [row for row in table.values() if len(row) == most and None not in row]
    if most < 2 or len(whole) < 2:
        return "Too few columns or rows to tell how stable their order is."
    found = rank_stability(np.array(whole, dtype=np.float64).T)
    return (
        f"The {most} columns order {len(whole)} rows by pAUC alike: Kendall's W {found.kendall_w:.2f} "
        f"(0 = not at all, 1 = all the same), mean Spearman correlation {found.mean_spearman:.2f}."
    )


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    heads = list(rows[0])
    body = [heads, ["---"] * len(heads), *([str(row[head]) for head in heads] for row in rows)]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in body), ""])


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
