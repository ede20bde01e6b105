"""Spherical k-means of each subject's embeddings: the clusters across which mated pairs are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import positions
from ..core.errors import DataError, SettingsError
from ..core.protocols import Progress, silent
from ..core.types import EmbeddingSet, SampleSet
from .compiled import compiled
from .execution import Execute, in_threads
from .partition import Partition
from .splitmix import GOLDEN, fraction, mix
from .vectors import UnitVectors

_GRAM_LIMIT = 2048
_SAME_POINT = 1e-6
_MAX_ITERATIONS = 300


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of the samples of each subject.

    Attributes:
        codes: (n,) cluster of each sample, 0..k-1 within its subject.
        inertia: (s,) sum of squared distances to the cluster means, of each subject in code order.
        n_singletons: Subjects with one sample, which are one cluster.
    """

    codes: NDArray[np.int64]
    inertia: NDArray[np.float64]
    n_singletons: int


def cluster_samples(
    embeddings: EmbeddingSet,
    samples: SampleSet,
    *,
    clusters: int,
    n_init: int = 1,
    seed: int = 0,
) -> Clustering:
    """Cluster the samples of each subject; rows follow `samples`. See `cluster_subjects`."""
    rows = positions(samples.sample_ids, embeddings.sample_ids, what=f"embeddings of {embeddings.recogniser}")
    vectors = UnitVectors(embeddings.vectors, rows)
    return cluster_subjects(vectors, samples.subject_codes(), clusters=clusters, n_init=n_init, seed=seed)


def cluster_subjects(
    vectors: UnitVectors,
    subjects: NDArray[np.integer],
    *,
    clusters: int,
    n_init: int = 1,
    seed: int = 0,
    execute: Execute | None = None,
    progress: Progress = silent,
) -> Clustering:
    """k-means on the unit vectors of each subject, all subjects in one call.

    Greedy k-means++ seeding, then Lloyd's iterations until no sample changes its cluster. For subjects of up
    to 2,048 samples both run on the Gram matrix, where a centre is a mean of rows: once it is made, an
    iteration costs n**2 additions, whatever the dimension. A subject gets min(clusters, distinct
    samples) clusters, because samples closer than 0.001 count as one point. A cluster left empty takes the
    sample farthest from its own centre. Every subject starts from the same seed, as published, so its
    clusters do not depend on the other subjects.

    Args:
        vectors: A unit vector of each sample.
        subjects: (n,) subject codes.
        clusters: Most clusters of a subject, 1 or more.
        n_init: Runs from different seeds, of which the one of lowest inertia is kept.
        seed: Starts the random numbers of every subject.
        execute: Where to run; None takes the threads of this process.
        progress: Told how many parts of the work are done.

    Raises:
        SettingsError: If `clusters` or `n_init` is below 1.
        DataError: If a vector is not of unit length, or the columns differ in length.

    Source: D. Arthur, S. Vassilvitskii, k-means++, SODA 2007; per-subject use with K = 20 in Ž. Babnik,
    N. Damer, V. Štruc, arXiv 2305.14856.
    """
    if clusters < 1 or n_init < 1:
        raise SettingsError(f"clusters and n_init must be at least 1, got {clusters} and {n_init}")
    if len(vectors) != len(subjects):
        raise DataError(f"{len(subjects)} subject codes for {len(vectors)} vectors")
    layout = Partition.of(subjects, np.zeros(len(subjects), np.int64))
    task = partial(_cluster_part, vectors, layout, (clusters, n_init, seed))
    results = (execute or in_threads())(task, layout.parts(), progress)
    codes = np.empty(len(layout), np.int64)
    codes[layout.rows] = np.concatenate([labels for labels, _ in results])
    inertia = np.concatenate([inertia for _, inertia in results])
    return Clustering(codes, inertia, int(np.sum(layout.subject_sizes == 1)))


def _cluster_part(
    vectors: UnitVectors, layout: Partition, settings: tuple[int, int, int], part: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cluster codes by place and inertia by subject of a range of subjects."""
    codes: list[NDArray[np.int64]] = []
    inertia: list[NDArray[np.float64]] = []
    for _, batch in layout.batches(part):
        labels, costs = _cluster_block(vectors.borrow(batch.rows), batch.subject_starts, *settings)
        codes.append(labels)
        inertia.append(costs)
    return np.concatenate(codes), np.concatenate(inertia)


@compiled
def _cluster_block(
    block: NDArray[np.float32], starts: NDArray[np.int64], clusters: int, n_init: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    labels = np.empty(len(block), np.int64)
    inertia = np.empty(len(starts) - 1, np.float64)
    for s in range(len(starts) - 1):
        points = block[starts[s] : starts[s + 1]]
        gram = len(points) <= _GRAM_LIMIT
        basis = np.dot(points, points.T) if gram else points
        own = labels[starts[s] : starts[s + 1]]
        inertia[s] = np.inf
        state = mix(np.uint64(seed))
        for _ in range(n_init):
            found, k, state = _seed_clusters(basis, points, clusters, state)
            cost = _lloyd(basis, points, found, k)
            if cost < inertia[s]:
                inertia[s] = cost
                own[:] = found
    return labels, inertia


@compiled
def _products(combinations: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products (k, n) of k combinations of points with all n points.

    Combinations of rows of the Gram matrix are these products already.
    """
    if len(points) <= _GRAM_LIMIT:
        return combinations
    products: NDArray[np.float32] = np.dot(combinations, points.T)
    return products


@compiled
def _seed_clusters(
    basis: NDArray[np.float32], points: NDArray[np.float32], clusters: int, state: np.uint64
) -> tuple[NDArray[np.int64], int, np.uint64]:
    """Greedy k-means++: labels (n,) by nearest seed, the number of seeds, and the new random state.

    Each seed is the best of 2 + log(k) candidates, drawn in proportion to the squared distance to the seeds
    so far. It ends early when every point coincides with a seed.
    """
    n = len(points)
    nearest = np.full(n, 4.0)
    labels = np.zeros(n, np.int64)
    trials = 2 + int(np.log(clusters))
    for k in range(min(clusters, n)):
        cumulative = np.cumsum(nearest)
        if cumulative[-1] == 0.0:
            return labels, k, state
        candidates = np.empty(trials if k else 1, np.int64)
        for t in range(len(candidates)):
            state += GOLDEN
            target = fraction(mix(state)) * cumulative[-1]
            candidates[t] = min(np.searchsorted(cumulative, target, side="right"), n - 1)
        products = _products(basis[candidates], points)
        best, distances = np.inf, nearest
        for t in range(len(candidates)):
            to_candidate = np.empty(n)
            for x in range(n):
                squared = 2.0 - 2.0 * products[t, x]
                squared = 0.0 if squared < _SAME_POINT or x == candidates[t] else squared
                to_candidate[x] = min(squared, nearest[x])
            potential = to_candidate.sum()
            if potential < best:
                best, distances = potential, to_candidate
        labels[distances < nearest] = k
        nearest = distances
    return labels, min(clusters, n), state


@compiled
def _lloyd(
    basis: NDArray[np.float32], points: NDArray[np.float32], labels: NDArray[np.int64], clusters: int
) -> float:
    """Move every point to its nearest mean until none moves; the labels change in place."""
    n = len(points)
    inertia = 0.0
    for _ in range(_MAX_ITERATIONS):
        sums = np.zeros((clusters, basis.shape[1]), np.float32)
        counts = np.zeros(clusters)
        for x in range(n):
            sums[labels[x]] += basis[x]
            counts[labels[x]] += 1
        products = _products(sums, points)
        squared = np.zeros(clusters)
        for x in range(n):
            squared[labels[x]] += products[labels[x], x]
        nearest = np.full(n, np.inf)
        found = np.zeros(n, np.int64)
        for k in range(clusters):
            if counts[k] == 0:
                continue
            length, scale = squared[k] / counts[k] ** 2, 2.0 / counts[k]
            for x in range(n):
                distance = 1.0 + length - scale * products[k, x]
                if distance < nearest[x]:
                    nearest[x], found[x] = distance, k
        inertia = nearest.sum()
        _fill_empty(found, nearest, clusters)
        if np.array_equal(found, labels):
            break
        labels[:] = found
    return max(inertia, 0.0)


@compiled
def _fill_empty(labels: NDArray[np.int64], distances: NDArray[np.float64], clusters: int) -> None:
    """Give each empty cluster the point farthest from its own mean, unless all points lie on means."""
    counts = np.bincount(labels, minlength=clusters)
    for k in np.flatnonzero(counts == 0):
        farthest = np.argmax(distances)
        if distances[farthest] < _SAME_POINT:
            return
        labels[farthest] = k
        distances[farthest] = 0.0
