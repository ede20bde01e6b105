"""The reproduced study of Babnik et al. (IWBF 2023): its tables with machine, date and commit; one figure.

    fiqa reproduce iwbf2023 --data ROOT -o STUDY
    python -m benchmarks.accuracy.iwbf2023 STUDY

Each dot of the figure is one method on one benchmark: by how much the normalised pAUC to 0.3 changes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from benchmarks.machine import write_results

from fiqa.evaluate.figures import INK, MUTED, RULE, SERIES

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
BASE = "regressor, base labels"
Row = Mapping[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contrasts(cells: Sequence[Row]) -> list[tuple[str, str, str]]:
    """(what it shows, after, before) of each step: the fine-tuning, then each kind of labels beyond it."""
    learnt = [name for name in dict.fromkeys(cell["labels"] for cell in cells) if name.endswith(" labels")]
    steps = [("fine-tuning alone", BASE, "raw score")]
    for name in learnt:
        if name != BASE:
            steps.append((f"{name.removeprefix('regressor, ')}\nbeyond fine-tuning", name, BASE))
    return steps


Area = Mapping[tuple[str, ...], float]
"""Normalised pAUC by recogniser, benchmark, method and labels."""


def areas(cells: Sequence[Row]) -> Area:
    """Those of methods; controls and ceilings are left out."""
    return {
        (cell["recogniser"], cell["benchmark"], cell["method"], cell["labels"]): float(cell["pauc"])
        for cell in cells
        if cell["pauc"]
        and cell["labels"] not in ("sees the test", "any order")
        and cell["method"] != "random"
    }


def changes(area: Area, after: str, before: str) -> dict[tuple[str, ...], float]:
    """Relative change in per cent by recogniser, benchmark and method, where both are there."""
    return {
        key[:3]: 100 * (value / area[(*key[:3], before)] - 1)
        for key, value in area.items()
        if key[3] == after and (*key[:3], before) in area
    }


def by_method(cells: Sequence[Row]) -> list[dict[str, object]]:
    """How each step changes each method: cells, how many are better, mean change."""
    rows = []
    for step, after, before in contrasts(cells):
        found = changes(areas(cells), after, before)
        for method in dict.fromkeys(key[2] for key in found):
            values = [change for key, change in found.items() if key[2] == method]
            rows.append(
                {
                    "step": step.replace("\n", " "),
                    "method": method,
                    "cells": len(values),
                    "better": sum(value < 0 for value in values),
                    "mean_change_percent": round(sum(values) / len(values), 2),
                }
            )
    return rows


def draw(cells: Sequence[Row], path: Path) -> None:
    area = areas(cells)
    recognisers, _, methods, _ = (list(dict.fromkeys(column)) for column in zip(*area, strict=True))
    steps = contrasts(cells)
    figure, axes = plt.subplots(
        1, len(recognisers), figsize=(3.4 * len(recognisers), 3.6), sharey=True, layout="constrained"
    )
    for axis, recogniser in zip(np.atleast_1d(axes), recognisers, strict=True):
        for row, (_, after, before) in enumerate(steps):
            found = {
                key: value for key, value in changes(area, after, before).items() if key[0] == recogniser
            }
            for number, method in enumerate(methods):
                values = [change for key, change in found.items() if key[2] == method]
                height = row + (number - (len(methods) - 1) / 2) * 0.11
                axis.plot(
                    values, [height] * len(values), "o", ms=4, alpha=0.8, color=SERIES[number], label=method
                )
            mean = np.mean(list(found.values()))
            axis.plot([mean, mean], [row - 0.4, row + 0.4], color=INK, lw=1.6)
            axis.annotate(f"{mean:+.1f}", (mean, row - 0.42), ha="center", va="bottom", fontsize=7, color=INK)
        axis.axvline(0, color=MUTED, lw=0.8)
        axis.set_title(f"compared by {recogniser}", fontsize=9, color=INK)
        axis.set_xlabel("change of pAUC, %", fontsize=8)
        axis.grid(axis="x", color=RULE, lw=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8, length=0)
        axis.spines[:].set_visible(False)
    first = np.atleast_1d(axes)[0]
    first.set_yticks(range(len(steps)), [name for name, *_ in steps])
    first.invert_yaxis()
    handles, labels = first.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique, loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    for suffix in ("png", "svg"):
        figure.savefig(
            path.with_suffix(f".{suffix}"), dpi=160, metadata={"Date": None} if suffix == "svg" else None
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", type=Path)
    tables = parser.parse_args().study / "tables"
    cells = [*read(tables / "same-model.csv"), *read(tables / "cross-model.csv")]
    write_results(RESULTS / "iwbf2023.csv", [dict(cell) for cell in cells])
    for name in ("summary", "differences", "limited"):
        if (tables / f"{name}.csv").exists():
            write_results(
                RESULTS / f"iwbf2023_{name}.csv", [dict(row) for row in read(tables / f"{name}.csv")]
            )
    for name in ("same-model", "cross-model", "limited", "summary"):
        for suffix in (".md", ".tex"):
            source = (tables / name).with_suffix(suffix)
            if source.exists():
                (RESULTS / f"iwbf2023-{name}{suffix}").write_text(
                    source.read_text(encoding="utf-8"), encoding="utf-8"
                )
    write_results(RESULTS / "iwbf2023_by_method.csv", by_method(cells))
    draw(cells, RESULTS / "iwbf2023")


if __name__ == "__main__":
    main()
