from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from embedded import make_embedded
from fiqa.comparisons.partition import Partition
from fiqa.comparisons.vectors import UnitVectors
from fiqa.optimize.diagnostics import Diagnostics, diagnose
from fiqa.optimize.labels import optimize_values
from fiqa.optimize.settings import OptimizeSettings
from fiqa.optimize.shift import RankShift


def test_worked_example() -> None:
    subjects, clusters = np.array([0, 0, 0, 1, 2, 2]), np.array([0, 0, 1, 0, 3, 3])
    shift = RankShift(np.zeros(6), np.arange(6), np.array([1, 0, 2, 5, 3, 4]), 1)
    found = diagnose(
        shift, Partition.of(subjects, clusters), similarity=np.zeros((1, 256)), rank_resolution=0.0
    )
    assert (found.n_samples, found.n_subjects, found.n_singletons, found.n_single_cluster) == (6, 3, 1, 1)
    assert found.n_pairs == 3
    assert found.share_never_worse == pytest.approx(1 / 3)
    assert found.share_moved == pytest.approx(5 / 6)
    assert found.mean_shift == pytest.approx(1 / 6)
    assert found.max_shift == pytest.approx(2 / 6)
    np.testing.assert_allclose(found.subject_shift[[0, 3, 6]], [-1 / 6, 0, 2 / 6])
    assert found.moved_up.tolist() == [3, 0]
    assert found.moved_down.tolist() == [1, 4, 5]


@pytest.fixture(params=["sampled", "expected"])
def run(
    request, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Diagnostics]:
    vectors, subjects, _ = make_embedded(rng, [30, 1, 12, 50])
    clusters, base = rng.integers(4, size=93), rng.normal(size=93)
    settings = OptimizeSettings(mode=request.param, pair_rank_unit="normalised", epsilon=0.5)
    values, found = optimize_values(
        base, subjects, vectors=[UnitVectors(vectors)], settings=settings, clusters=clusters
    )
    return base, values, subjects, clusters, found


def test_against_plain_loops(run) -> None:
    base, values, subjects, clusters, found = run
    never = [
        all(base[i] > base[j] for j in range(93) if subjects[i] == subjects[j] and clusters[i] != clusters[j])
        for i in range(93)
        if subjects[i] != 1
    ]
    assert found.share_never_worse == pytest.approx(np.mean(never))
    assert found.spearman == pytest.approx(spearmanr(base, values).statistic)
    assert found.similarity.sum() == pytest.approx(found.n_pairs)
    assert found.rank_resolution < 0.01
    before, after = base.argsort().argsort(), values.argsort().argsort()
    assert found.moved_up[0] == np.argmax(after - before)
    assert found.max_shift == pytest.approx(np.abs(after - before).max() / 93)


def test_json_holds_them(run) -> None:
    found = run[-1].as_dict()
    assert json.loads(json.dumps(found)) == found
