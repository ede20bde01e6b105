from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from embedded import make_embedded
from fiqa.comparisons.clustering import (
    Clustering,
    cluster_samples,
    cluster_subjects,
)
from fiqa.comparisons.execution import in_threads
from fiqa.comparisons.partition import Partition
from fiqa.comparisons.vectors import UnitVectors
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import EmbeddingSet, SampleSet


def cluster(vectors: np.ndarray, subjects: np.ndarray, **settings) -> Clustering:
    return cluster_subjects(UnitVectors(vectors), subjects, **settings)


def inertia_of(points: np.ndarray, labels: np.ndarray) -> float:
    points = points.astype(np.float64)
    return sum(
        float(((points[labels == k] - points[labels == k].mean(axis=0)) ** 2).sum())
        for k in np.unique(labels)
    )


@pytest.mark.parametrize("n_init", [1, 3])
def test_inertia_is_that_of_scikit_learn(rng: np.random.Generator, n_init: int) -> None:
    vectors, subjects, _ = make_embedded(rng, [60] * 40, 24, modes=6)
    ours = cluster(vectors, subjects, clusters=8, n_init=n_init)
    theirs = [
        KMeans(8, n_init=n_init, random_state=0).fit(vectors[subjects == s]).inertia_ for s in range(40)
    ]
    assert ours.inertia.sum() == pytest.approx(sum(theirs), rel=0.01)


def test_large_subjects_cluster_as_well_without_a_gram_matrix(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [2500, 2049], 8)
    ours = cluster(vectors, subjects, clusters=10, n_init=2)
    theirs = [KMeans(10, n_init=2, random_state=0).fit(vectors[subjects == s]).inertia_ for s in range(2)]
    np.testing.assert_allclose(ours.inertia, theirs, rtol=0.02)


def test_every_sample_is_with_its_nearest_mean(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [50, 7, 1, 120])
    found = cluster(vectors, subjects, clusters=6)
    for s in range(4):
        points, labels = vectors[subjects == s], found.codes[subjects == s]
        assert set(labels) == set(range(min(6, len(points))))
        assert found.inertia[s] == pytest.approx(inertia_of(points, labels), abs=1e-4)
        means = np.stack([points[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
        distances = ((points[:, None] - means) ** 2).sum(axis=2)
        own = np.take_along_axis(distances, labels[:, None], axis=1)[:, 0]
        assert np.all(own <= distances.min(axis=1) + 1e-5)
    assert found.n_singletons == 1


def test_as_many_clusters_as_distinct_samples(rng: np.random.Generator) -> None:
    distinct, _, _ = make_embedded(rng, [4])
    vectors = distinct[[0, 1, 2, 3, 0, 1, 0, 0]]
    labels = cluster(vectors, np.zeros(8, int), clusters=20).codes
    assert set(labels) == {0, 1, 2, 3}
    np.testing.assert_array_equal(labels, labels[[0, 1, 2, 3, 0, 1, 0, 0]])
    same = cluster(np.repeat(distinct[:1], 5, axis=0), np.zeros(5, int), clusters=3)
    assert same.codes.tolist() == [0] * 5
    assert same.inertia[0] == pytest.approx(0, abs=1e-6)


def test_clusters_do_not_depend_on_the_company(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [40, 30, 50])
    together = cluster(vectors, subjects, clusters=5, seed=3).codes
    for s in range(3):
        alone = cluster(vectors[subjects == s], np.zeros(np.sum(subjects == s), int), clusters=5, seed=3)
        np.testing.assert_array_equal(alone.codes, together[subjects == s])
    assert not np.array_equal(together, cluster(vectors, subjects, clusters=5, seed=4).codes)


@pytest.mark.parametrize("parts", [1, 3, 64])
@pytest.mark.parametrize("workers", [1, 4])
def test_clusters_do_not_depend_on_the_split(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, parts: int, workers: int
) -> None:
    vectors, subjects, _ = make_embedded(rng, [40, 30, 50, 1, 2, 90])
    expected = cluster(vectors, subjects, clusters=5)
    whole = Partition.parts
    monkeypatch.setattr(Partition, "parts", lambda self: whole(self, parts))
    found = cluster(vectors, subjects, clusters=5, execute=in_threads(workers))
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.inertia, expected.inertia)


def test_more_runs_never_cluster_worse(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [80] * 5)
    inertia = [cluster(vectors, subjects, clusters=10, n_init=n).inertia for n in (1, 2, 8)]
    assert np.all(inertia[1] <= inertia[0])
    assert np.all(inertia[2] <= inertia[1])
    assert inertia[2].sum() < inertia[0].sum()


def test_rows_follow_the_samples(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [12, 9])
    ids = np.array([f"i{row}" for row in range(21)])
    order = rng.permutation(21)
    embeddings = EmbeddingSet(ids[order], vectors[order], np.ones(21), "made-up")
    found = cluster_samples(embeddings, SampleSet(ids, subjects.astype(str)), clusters=4)
    np.testing.assert_array_equal(found.codes, cluster(vectors, subjects, clusters=4).codes)
    with pytest.raises(DataError, match="embeddings of made-up: 1 of 1 ids are missing, first x"):
        cluster_samples(embeddings, SampleSet(["x"], ["p"]), clusters=4)


def test_bad_settings_are_refused(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [4])
    with pytest.raises(SettingsError, match="at least 1, got 0 and 1"):
        cluster(vectors, subjects, clusters=0)
    with pytest.raises(DataError, match="3 subject codes for 4 vectors"):
        cluster(vectors, subjects[:3], clusters=2)
    with pytest.raises(DataError, match="unit length"):
        cluster(0 * vectors, subjects, clusters=2)
