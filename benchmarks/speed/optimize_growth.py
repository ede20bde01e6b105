"""Cost of label optimisation against the number of images, at 360 images a subject: a straight line.

    python -m benchmarks.speed.optimize_growth FOLDER

FOLDER gets a file of 3.1 GB, which stays for the next run. Writes a table and a figure.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from benchmarks.machine import write_results
from benchmarks.speed.faces import write_faces

from fiqa.comparisons.vectors import UnitVectors
from fiqa.optimize.labels import optimize_values
from fiqa.optimize.settings import OptimizeSettings

PER_SUBJECT = 360
COUNTS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=COUNTS[-1])
    arguments = parser.parse_args()
    counts = [count - count % PER_SUBJECT for count in COUNTS if count <= arguments.most]
    subjects = np.arange(counts[-1]) // PER_SUBJECT
    path = arguments.folder / f"growth-{counts[-1]}.npy"
    if not path.exists():
        arguments.folder.mkdir(parents=True, exist_ok=True)
        write_faces(path, subjects)
    vectors = np.load(path, mmap_mode="r")
    rng = np.random.default_rng(0)
    values, clusters = rng.random(len(subjects)), rng.integers(20, size=len(subjects))
    rows = []
    for mode, settings in (
        ("expected", OptimizeSettings(mode="expected")),
        ("sampled", OptimizeSettings(mode="sampled", repetitions=1)),
    ):
        for count in [counts[0], *counts]:
            start = time.perf_counter()
            optimize_values(
                values[:count],
                subjects[:count],
                vectors=[UnitVectors(vectors[:count])],
                settings=settings,
                clusters=clusters[:count],
            )
            rows.append({"mode": mode, "images": count, "seconds": round(time.perf_counter() - start, 4)})
        del rows[-len(counts) - 1]
    write_results(RESULTS / "optimize_growth.csv", rows)
    draw(rows)


def draw(rows: list[dict[str, Any]]) -> None:
    """Seconds over images on logarithmic axes, with a line through the largest point and the origin."""
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for mode, marker in (("expected", "o"), ("sampled", "s")):
        images, seconds = np.array([(row["images"], row["seconds"]) for row in rows if row["mode"] == mode]).T
        label = mode if mode == "expected" else "sampled, one repetition"
        (line,) = axes.loglog(images, seconds, marker=marker, linestyle="none", label=label)
        axes.loglog(images, seconds[-1] * images / images[-1], color=line.get_color(), linewidth=1)
    axes.set(xlabel="images (360 a subject)", ylabel="seconds; lines: proportional to images")
    axes.legend()
    figure.savefig(RESULTS / "optimize_growth.svg")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
