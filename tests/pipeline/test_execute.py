from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from embedded import make_embedded
from fiqa.comparisons.clustering import cluster_subjects
from fiqa.comparisons.vectors import UnitVectors
from fiqa.core.errors import DataError
from fiqa.optimize.labels import optimize_values
from fiqa.optimize.settings import OptimizeSettings
from fiqa.pipeline.execute import executor


def test_local_runs_here() -> None:
    with executor("local") as execute:
        assert execute(lambda chunk: chunk + 1, [1, 2, 3]) == [2, 3, 4]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_identical_labels(rng: np.random.Generator, tmp_path) -> None:
    pytest.importorskip("ray")
    vectors, subjects, noise = make_embedded(rng, [60, 1, 30, 2, 90] * 4)
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float16))
    mapped = UnitVectors(np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    settings = OptimizeSettings(pair_rank_unit="normalised", epsilon=0.3, rounds=2, repetitions=2)
    work = {"vectors": [mapped], "clusters": cluster_subjects(mapped, subjects, clusters=5).codes}
    with executor("ray") as execute:
        for mode in ("expected", "sampled"):
            chosen = dataclasses.replace(settings, mode=mode)
            local, _ = optimize_values(-noise, subjects, settings=chosen, **work)
            remote, _ = optimize_values(-noise, subjects, settings=chosen, execute=execute, **work)
            np.testing.assert_array_equal(remote, local)
        clusters = cluster_subjects(mapped, subjects, clusters=5, execute=execute).codes
        np.testing.assert_array_equal(clusters, work["clusters"])
        with pytest.raises(DataError, match="unit length"):
            cluster_subjects(UnitVectors(0 * vectors), subjects, clusters=5, execute=execute)
