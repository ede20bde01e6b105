"""Per-subject k-means: seconds, and how many times a loop over scikit-learn's KMeans takes.

    python -m benchmarks.speed.clustering

500 subjects of 360 images, 512 dimensions, 20 clusters, one run each (n_init=1).
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from benchmarks.machine import write_results
from sklearn.cluster import KMeans

from fiqa.comparisons.clustering import cluster_subjects
from fiqa.comparisons.vectors import UnitVectors

SUBJECTS, PER_SUBJECT, DIMENSION, CLUSTERS, MODES = 500, 360, 512, 20, 12


def main() -> None:
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(SUBJECTS), PER_SUBJECT)
    modes = rng.standard_normal((SUBJECTS, 1, DIMENSION), dtype=np.float32)
    modes = modes + 0.6 * rng.standard_normal((SUBJECTS, MODES, DIMENSION), dtype=np.float32)
    vectors = modes[subjects, rng.integers(MODES, size=len(subjects))]
    vectors += 0.7 * rng.standard_normal(vectors.shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    cluster_subjects(UnitVectors(vectors[:PER_SUBJECT]), subjects[:PER_SUBJECT], clusters=CLUSTERS)
    start = time.perf_counter()
    found = cluster_subjects(UnitVectors(vectors), subjects, clusters=CLUSTERS)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    inertia = sum(
        KMeans(CLUSTERS, n_init=1, random_state=0).fit(points).inertia_
        for points in vectors.reshape(SUBJECTS, PER_SUBJECT, DIMENSION)
    )
    plain_seconds = time.perf_counter() - start
    row = {
        "work": f"{SUBJECTS} subjects of {PER_SUBJECT} x {DIMENSION}, {CLUSTERS} clusters, n_init=1",
        "seconds": round(seconds, 3),
        "scikit_learn_seconds": round(plain_seconds, 2),
        "ratio": round(plain_seconds / seconds, 1),
        "inertia_ratio": round(float(found.inertia.sum()) / inertia, 5),
    }
    print(row)
    write_results(Path(__file__).parent / "results" / "clustering.csv", [row])


if __name__ == "__main__":
    main()
