"""Draw what shipped_model.py printed: area of each method with its interval, one panel a test bed.

python -m benchmarks.accuracy.shipped_model_figure
"""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from fiqa.evaluate.figures import INK, MUTED, RULE, SERIES

RESULTS = Path(__file__).parent / "results" / "shipped_model.csv"
PANELS = {
    ("degraded-lfw", "all:10", "arcface_mbf"): "degraded-LFW, by ArcFace-MBF",
    ("degraded-lfw", "all:10", "dlib_resnet"): "degraded-LFW, by dlib",
    ("cfp-fp", "protocol", "arcface_mbf"): "CFP-FP, by ArcFace-MBF",
    ("cfp-fp", "protocol", "dlib_resnet"): "CFP-FP, by dlib",
}
METHODS = {
    "student": "fiqa-s, on people it has never seen",
    "teacher": "its teacher: norm of SFace in two looks",
    "norm_sface": "norm of SFace",
    "norm_arcface_mbf": "norm of ArcFace-MBF",
    "ser_fiq": "SER-FIQ on ArcFace-MBF",
    "grafiqs": "GraFIQs on SFace",
    "classical": "classical factors",
    "qualityface": "qualityface 1.0.3",
    "insightface": "insightface 2.1, heuristic",
}


def main() -> None:
    with RESULTS.open() as file:
        rows = list(csv.DictReader(file))
    figure, axes = plt.subplots(1, len(PANELS), figsize=(10.5, 3.3), sharey=True, layout="constrained")
    for axis, (bed, title) in zip(axes, PANELS.items(), strict=True):
        areas = {
            row["method"]: [float(row[name]) for name in ("low", "pauc", "high")]
            for row in rows
            if (row["benchmark"], row["pairs"], row["recogniser"]) == bed
        }
        for place, method in enumerate(METHODS):
            low, area, high = areas[method]
            colour = SERIES[1] if method == "student" else MUTED
            axis.plot([low, high], [place, place], color=colour, lw=1.4)
            axis.plot(area, place, "o", color=colour, ms=5)
            axis.annotate(
                f"{area:.3f}", (area, place - 0.22), ha="center", va="bottom", fontsize=7, color=INK
            )
        axis.axvline(1, color=INK, lw=0.8)
        axis.set_title(title, fontsize=9, color=INK, loc="left")
        axis.grid(axis="x", color=RULE, lw=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=8, length=0, labelcolor=MUTED)
        axis.spines[:].set_visible(False)
    axes[0].set_yticks(range(len(METHODS)), list(METHODS.values()), color=INK)
    axes[0].set_ylim(len(METHODS) - 0.5, -0.7)
    figure.supxlabel(
        "pAUC of the FNMR, with 95 % intervals; 1: as discarding at random, less is better",
        fontsize=8,
        color=MUTED,
    )
    figure.savefig(RESULTS.with_suffix(".png"), dpi=160)


if __name__ == "__main__":
    main()
