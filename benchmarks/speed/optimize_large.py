"""Label optimisation of 3.1 million images from a float16 file: seconds, memory, share of the GEMM bound.

    python -m benchmarks.speed.optimize_large FOLDER

FOLDER gets a file of 3.2 GB (8,631 subjects as in VGGFace2, 512 dimensions), which stays for the next run.
The bound is the time in which this machine multiplies the upper triangles of all Gram matrices, once for each
pass over the vectors, at the rate of large float32 matrix products.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import write_results
from benchmarks.speed.faces import gemm_rate, peak_memory, subject_sizes, write_faces

from fiqa.comparisons.clustering import cluster_subjects
from fiqa.comparisons.execution import available_processors
from fiqa.comparisons.vectors import UnitVectors
from fiqa.optimize.expected import KEPT_PAIRS
from fiqa.optimize.labels import optimize_values
from fiqa.optimize.settings import PRESETS, OptimizeSettings

SUBJECTS, SAMPLES = 8_631, 3_100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    arguments = parser.parse_args()
    sizes = subject_sizes(arguments.samples, per_subject=SAMPLES // SUBJECTS, spread=0.3)
    subjects = np.repeat(np.arange(len(sizes)), sizes)
    path = arguments.folder / f"faces-{arguments.samples}.npy"
    if not path.exists():
        arguments.folder.mkdir(parents=True, exist_ok=True)
        write_faces(path, subjects)
    vectors = UnitVectors(np.load(path, mmap_mode="r"))
    bound = (
        float(np.sum(sizes.astype(float) ** 2)) * vectors.array.shape[1] / gemm_rate(available_processors())
    )
    again = float(np.sum(sizes.astype(float) ** 2)) / 2 > KEPT_PAIRS
    rows = [_clustering(vectors, subjects)]
    clusters = np.random.default_rng(0).integers(20, size=len(subjects))
    for name, settings, passes in (
        ("expected", OptimizeSettings(mode="expected"), 1 + again),
        ("recommended", PRESETS["recommended"], 1 + again * PRESETS["recommended"].rounds),
        ("sampled, 10 repetitions", PRESETS["published"], None),
    ):
        rows.append(_optimisation(name, vectors, subjects, clusters, settings, passes and passes * bound))
    write_results(Path(__file__).parent / "results" / "optimize_large.csv", rows)


def _clustering(vectors: UnitVectors, subjects: np.ndarray) -> dict[str, Any]:
    with peak_memory() as peak:
        start = time.perf_counter()
        cluster_subjects(vectors, subjects, clusters=20)
        seconds = time.perf_counter() - start
    return _row("clustering, K = 20", len(subjects), seconds, peak["gigabytes"], None)


def _optimisation(
    name: str,
    vectors: UnitVectors,
    subjects: np.ndarray,
    clusters: np.ndarray,
    settings: OptimizeSettings,
    bound: float | None,
) -> dict[str, Any]:
    values = np.random.default_rng(1).random(len(subjects))
    with peak_memory() as peak:
        start = time.perf_counter()
        optimize_values(values, subjects, vectors=[vectors], settings=settings, clusters=clusters)
        seconds = time.perf_counter() - start
    return _row(name, len(subjects), seconds, peak["gigabytes"], bound)


def _row(name: str, n_samples: int, seconds: float, gigabytes: float, bound: float | None) -> dict[str, Any]:
    row = {
        "work": f"{name}, {n_samples:,} images",
        "seconds": round(seconds, 2),
        "gigabytes_above_mapped_file": round(gigabytes, 2),
        "gemm_bound_seconds": "" if bound is None else round(bound, 2),
        "share_of_bound": "" if bound is None else round(bound / seconds, 2),
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
