"""Do sampled labels tend to the expected ones? Rank correlation against the number of repetitions.

    python -m benchmarks.accuracy.convergence

Made-up embeddings of 20 subjects with 200 images, 20 clusters each; published units at three steps, and
normalised units. Writes a table and a figure.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from benchmarks.machine import write_results

from fiqa.comparisons.vectors import UnitVectors
from fiqa.optimize.labels import optimize_values
from fiqa.optimize.settings import OptimizeSettings

SUBJECTS, PER_SUBJECT, CLUSTERS, DIMENSION = 20, 200, 20, 64
REPETITIONS = (1, 3, 10, 30, 100, 300, 1000)
CASES = (("published", 0.001), ("published", 0.01), ("published", 0.05), ("normalised", 0.3))
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(SUBJECTS), PER_SUBJECT)
    noise, clusters = rng.uniform(0.3, 1.8, size=len(subjects)), rng.integers(CLUSTERS, size=len(subjects))
    vectors = rng.normal(size=(SUBJECTS, DIMENSION))[subjects]
    vectors += noise[:, None] * rng.normal(size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    work = {"vectors": [UnitVectors(vectors.astype(np.float32))], "clusters": clusters}
    values = rng.normal(size=len(subjects)) - noise
    figure, axes = plt.subplots(figsize=(5.5, 4), layout="constrained")
    rows = []
    for unit, epsilon in CASES:
        settings = OptimizeSettings(pair_rank_unit=unit, epsilon=epsilon)
        expected, _ = optimize_values(values, subjects, settings=settings, **work)
        distances = [1 - rank_correlation(values, expected)]
        for repetitions in REPETITIONS:
            sampled = replace(settings, mode="sampled", repetitions=repetitions)
            labels, _ = optimize_values(values, subjects, settings=sampled, **work)
            distances.append(1 - rank_correlation(labels, expected))
            rows.append(
                {
                    "pair_rank_unit": unit,
                    "epsilon": epsilon,
                    "repetitions": repetitions,
                    "one_minus_spearman_to_expected": f"{distances[-1]:.3g}",
                    "one_minus_spearman_base_to_expected": f"{distances[0]:.3g}",
                }
            )
        axes.loglog(REPETITIONS, distances[1:], marker="o", label=f"{unit} unit, step {epsilon}")
    axes.set(xlabel="repetitions", ylabel="1 - Spearman to the expected labels")
    axes.legend()
    write_results(RESULTS / "convergence.csv", rows)
    figure.savefig(RESULTS / "convergence.svg")


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    ranks = (np.argsort(np.argsort(item)).astype(float) for item in (first, second))
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main()
