"""Mean score against the severity of each degradation, for every scoring method at hand.

    python -m benchmarks.accuracy.severity CROPS [--recognisers arcface_mbf sface] [--crops 48] [--seed 0]
        [--models cr_fiqa=FOLDER pcnet=FOLDER ...]

CROPS is a folder written by `fiqa crop`; untouched crops of it are drawn at random and degraded here. Models
are folders written by `fiqa train`, on other subjects, for methods that have to be trained. Scores are less
their mean and over their standard deviation on the untouched crops. A method is built on the first recogniser
that it works with; slow methods score fewer of the crops, as the table says. SER-FIQ takes its plain scaling:
the constants of the other one fit one network, and on others it is flat.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from benchmarks.machine import write_results
from benchmarks.scorers import Settings, scorers

from fiqa.core.types import FaceCrops
from fiqa.evaluate.figures import INK, MUTED, RULE, SERIES
from fiqa.faces.degrade import DEGRADATIONS, degrade
from fiqa.io.crops import CropFolder
from fiqa.methods.froq import search_layers

RESULTS = Path(__file__).parent / "results"
SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
KINDS = DEGRADATIONS.names[1:]
MARKERS = ("o", "s", "^", "D", "v", "P")
SHARE = {"faceqan": 0.125, "grafiqs": 0.5}
"""Part of the crops that a slow method scores."""
CALIBRATION = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recognisers", nargs="+", default=["arcface_mbf", "sface"])
    parser.add_argument("--crops", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="*", default=[], metavar="METHOD=FOLDER")
    options = parser.parse_args()
    models = {name: Path(folder) for name, _, folder in (item.partition("=") for item in options.models)}
    crops, others = draw(CropFolder.open(options.folder), options.crops, options.seed)
    settings: dict[str, Settings] = {
        "froq": lambda recogniser: {"layers": search_layers(recogniser, others).layers},
        "ser_fiq": lambda _: {"scaling": "plain"},
    }
    methods = list(scorers(options.recognisers, settings, models=models))
    count_of = {name: max(4, round(SHARE.get(name, 1) * len(crops))) for name, _, _ in methods}
    means: dict[tuple[str, str, float], float] = {}
    spread: dict[str, float] = {}
    for kind, severity, degraded in versions(crops, options.seed):
        for name, _, method in methods:
            scores = method.score(degraded.rows(slice(count_of[name])))
            means[name, kind, severity] = float(scores.mean())
            if kind == "none":
                spread[name] = float(scores.std())
        print(f"{kind} {severity:g}", flush=True)
    table = {name: standardised(means, name, spread[name]) for name, _, _ in methods}
    rows = []
    for name, recogniser, _ in methods:
        average = np.mean(list(table[name].values()), axis=0)
        falls = bool((np.diff(average) < 0).all())
        print(f"{name}: the mean over degradations {verdict(average)}")
        for kind, values in {**table[name], "mean of all": average}.items():
            for severity, value in zip(SEVERITIES, values, strict=True):
                score = means.get((name, kind if severity else "none", severity))
                rows.append(
                    {
                        "method": name,
                        "recogniser": recogniser,
                        "crops": count_of[name],
                        "degradation": kind,
                        "severity": severity,
                        "mean_score": "" if score is None else f"{score:.6g}",
                        "in_clean_spreads": f"{value:.4f}",
                        "mean_of_all_falls": falls,
                    }
                )
    write_results(RESULTS / "severity.csv", rows)
    draw_panels(table, [(name, recogniser, count_of[name]) for name, recogniser, _ in methods])


def draw(folder: CropFolder, count: int, seed: int) -> tuple[FaceCrops, FaceCrops]:
    """Untouched crops to degrade, and others, degraded or not, to find FROQ's layers on."""
    order = np.random.default_rng(seed).permutation(len(folder))
    touched = (
        folder.table.column("severity")[order] > 0 if "severity" in folder.table else np.zeros(len(order))
    )
    chosen = order[touched == 0][:count]
    others = order[~np.isin(order, chosen)][:CALIBRATION]
    return folder.load(chosen), folder.load(others)


def versions(crops: FaceCrops, seed: int) -> Iterator[tuple[str, float, FaceCrops]]:
    """The crops as they are and after each degradation at each severity."""
    yield "none", 0.0, crops
    for kind in KINDS:
        for severity in SEVERITIES[1:]:
            images = [
                degrade(image, kind, severity=severity, rng=np.random.default_rng([seed, row]))
                for row, image in enumerate(crops.images)
            ]
            yield kind, severity, FaceCrops(np.stack(images), crops.landmarks, crops.source_scale)


def standardised(
    means: dict[tuple[str, str, float], float], name: str, spread: float
) -> dict[str, np.ndarray]:
    """Mean scores by degradation, one a severity, in spreads of the clean scores."""
    clean = means[name, "none", 0.0]
    return {
        kind: np.array([0.0, *((means[name, kind, one] - clean) / spread for one in SEVERITIES[1:])])
        for kind in KINDS
    }


def verdict(average: np.ndarray) -> str:
    """In words, whether a row of means falls at each step, and where it does not."""
    rising = [f"{SEVERITIES[step + 1]:g}" for step in np.flatnonzero(np.diff(average) >= 0)]
    return f"does not fall at {', '.join(rising)}" if rising else "falls at each step"


def draw_panels(table: dict[str, dict[str, np.ndarray]], labels: list[tuple[str, str, int]]) -> None:
    columns = min(len(labels), 3)
    height = -(-len(labels) // columns)
    with mpl.rc_context(
        {"font.size": 9, "axes.edgecolor": RULE, "svg.fonttype": "none", "svg.hashsalt": "fiqa"}
    ):
        figure, axes = plt.subplots(
            height, columns, figsize=(3.3 * columns, 2.9 * height), layout="constrained", squeeze=False
        )
        for axis in axes.flat[len(labels) :]:
            axis.set_visible(False)
        for axis, (name, recogniser, count) in zip(axes.flat, labels, strict=False):
            for kind, colour, marker in zip(KINDS, SERIES, MARKERS, strict=False):
                axis.plot(
                    SEVERITIES, table[name][kind], color=colour, marker=marker, ms=4, lw=1.2, label=kind
                )
            average = np.mean(list(table[name].values()), axis=0)
            axis.plot(SEVERITIES, average, color=INK, lw=2.6, label="mean of all", zorder=1)
            axis.axhline(0, color=MUTED, lw=0.8, zorder=0)
            axis.set_title(name, loc="left", fontweight="bold", fontsize=10, pad=16)
            subtitle = f"{recogniser + ', ' if recogniser else ''}{count} crops; mean {verdict(average)}"
            axis.text(0, 1.02, subtitle, transform=axis.transAxes, color=MUTED, fontsize=7)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(color=RULE, lw=0.5)
            axis.set_axisbelow(True)
        figure.supxlabel("severity of the degradation", fontsize=9)
        figure.supylabel("mean score, in standard deviations of the clean scores", fontsize=9)
        handles = axes[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper left", ncols=len(KINDS) + 1, frameon=False, fontsize=8)
        figure.savefig(RESULTS / "severity.svg", metadata={"Date": None})
        figure.savefig(RESULTS / "severity.png", dpi=150)


if __name__ == "__main__":
    main()
