"""Label optimisation of 30,000 images: seconds, and how many times the published loops take.

    python -m benchmarks.speed.optimize

150 subjects of 200 images, 20 clusters each, 512 dimensions, 10 repetitions. Both start from what they work
on, arrays here and dictionaries there; clusters are given.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import write_results
from benchmarks.speed import plain_loops
from benchmarks.speed.faces import gemm_rate

from fiqa.comparisons.execution import available_processors
from fiqa.comparisons.vectors import UnitVectors
from fiqa.optimize.labels import optimize_values
from fiqa.optimize.settings import OptimizeSettings

SUBJECTS, PER_SUBJECT, CLUSTERS, DIMENSION, REPETITIONS = 150, 200, 20, 512, 10


def main() -> None:
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(SUBJECTS), PER_SUBJECT)
    values, clusters = rng.random(len(subjects)), rng.integers(CLUSTERS, size=len(subjects))
    vectors = rng.normal(size=(SUBJECTS, DIMENSION))[subjects]
    vectors += rng.uniform(0.3, 1.8, size=(len(subjects), 1)) * rng.normal(size=vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    plain_seconds = seconds_of(plain(values, subjects, clusters, vectors), repeats=1)
    bound = SUBJECTS * PER_SUBJECT**2 * DIMENSION / gemm_rate(available_processors())
    rows = []
    for mode in ("sampled", "expected"):
        settings = OptimizeSettings(mode=mode, repetitions=REPETITIONS)
        work = {"vectors": [UnitVectors(vectors)], "clusters": clusters, "settings": settings}
        seconds = seconds_of(lambda work=work: optimize_values(values, subjects, **work), repeats=7)
        rows.append(
            {
                "work": f"{mode}, {len(subjects):,} images, {REPETITIONS} repetitions of the plain loops",
                "seconds": round(seconds, 4),
                "plain_seconds": round(plain_seconds, 2),
                "ratio": round(plain_seconds / seconds, 1),
                "gemm_bound_seconds": round(bound, 4) if mode == "expected" else "",
            }
        )
        print(rows[-1])
    write_results(Path(__file__).parent / "results" / "optimize.csv", rows)


def plain(
    values: np.ndarray, subjects: np.ndarray, clusters: np.ndarray, vectors: np.ndarray
) -> Callable[[], Any]:
    """The published loops on dictionaries, made beforehand."""
    names = [f"n{subject:06d}/{row:04d}_01.jpg" for row, subject in enumerate(subjects.tolist())]
    lists: dict[str, dict[int, list[str]]] = {}
    for name, subject, cluster in zip(names, subjects.tolist(), clusters.tolist(), strict=True):
        lists.setdefault(f"n{subject:06d}", {}).setdefault(cluster, []).append(name)
    embeddings = dict(zip(names, vectors, strict=True))
    quality = dict(zip(names, values.tolist(), strict=True))
    rng = random.Random(0)

    def run() -> dict[str, float]:
        draws = [plain_loops.draw_pairs(lists, embeddings, rng) for _ in range(REPETITIONS)]
        return plain_loops.optimise(quality, draws, 0.001)

    return run


def seconds_of(work: Callable[[], Any], *, repeats: int) -> float:
    """Median seconds; where there are several runs, the first compiles and is not typical."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


if __name__ == "__main__":
    main()
