"""Draw what label_optimisation.py printed: area against step and against rounds, and wins by variant.

python -m benchmarks.accuracy.label_optimisation_figure
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
BASES = {"embedding_norm": "#0072b2", "sdd_fiqa": "#d55e00", "cr_fiqa": "#009e73", "random_labels": "#888888"}
AREAS = tuple(f"{name} npauc0.3" for name in ("sface", "arcface_mbf", "dlib_resnet"))


def main() -> None:
    with (RESULTS / "label_optimisation.csv").open() as file:
        rows = list(csv.DictReader(file))
    table: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("train", "pair_recognisers", "base", "variant"))
        table[key] = [float(row[name]) for name in AREAS]
    draw(table)
    for recognisers in ("sface", "sface+arcface_mbf"):
        summary(table, recognisers)


def draw(table: dict[tuple[str, ...], list[float]]) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), sharex="col", layout="constrained")
    steps = [0.02, 0.1, 0.3, 0.6]
    rounds = [1, 2, 3, 5, 10]
    for row, train in enumerate(("cfp", "lfw")):
        for base, colour in BASES.items():
            if base == "random_labels":
                continue
            start = table[train, "sface", base, "base"]
            for recognisers, style in (("sface", ":"), ("sface+arcface_mbf", "-")):

                def change(
                    variant: str, key: tuple[str, ...] = (train, recognisers, base), start=start
                ) -> float:
                    found = table[*key, variant]
                    return (
                        100 * sum(new / old - 1 for new, old in zip(found, start, strict=True)) / len(found)
                    )

                by_step = [change(f"soft e={step} r=1") for step in steps]
                by_round = [change(f"soft e=0.3 r={count}") for count in rounds]
                label = f"{base}, pairs of {recognisers.replace('+', ' and ')}"
                axes[row, 0].plot(steps, by_step, style, color=colour, marker="o", ms=4, label=label)
                axes[row, 1].plot(rounds, by_round, style, color=colour, marker="o", ms=4)
        other = {"cfp": "LFW", "lfw": "CFP"}[train]
        axes[row, 0].set_ylabel(
            f"trained on {train.upper()}, tested on {other}\nchange of pAUC, mean of 3 recognisers, %",
            fontsize=8,
        )
        for axis in axes[row]:
            axis.axhline(0, color="black", lw=0.8)
            axis.spines[["top", "right"]].set_visible(False)
    axes[1, 0].set_xlabel("step, one round")
    axes[1, 1].set_xlabel("rounds of feedback, step 0.3")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    for suffix in ("svg", "png"):
        figure.savefig(
            RESULTS / f"label_optimisation.{suffix}",
            dpi=150,
            metadata={"Date": None} if suffix == "svg" else None,
        )


def summary(table: dict[tuple[str, ...], list[float]], recognisers: str) -> None:
    """Cells that get better, and the mean relative change, over bases (the random control left out)."""
    cells: dict[str, list[float]] = defaultdict(list)
    for (train, used, base, variant), found in table.items():
        if used == recognisers and base != "random_labels" and variant != "base":
            start = table[train, "sface", base, "base"]
            cells[variant] += [new / old - 1 for new, old in zip(found, start, strict=True)]
    print(f"pairs ranked by {recognisers}: variant, cells better / all, mean change %")
    for variant, changes in sorted(cells.items(), key=lambda item: sum(item[1])):
        print(
            f"  {variant:34s} {sum(c < 0 for c in changes):2d}/{len(changes)} "
            f"{100 * sum(changes) / len(changes):7.2f}"
        )


if __name__ == "__main__":
    main()
