from __future__ import annotations

import numpy as np
import pytest

from embedded import make_embedded
from fiqa.comparisons.execution import in_threads
from fiqa.comparisons.partition import Partition
from fiqa.comparisons.vectors import UnitVectors
from fiqa.optimize import expected
from fiqa.optimize.credit import strengths
from fiqa.optimize.expected import credit_places, rank_table
from fiqa.optimize.sampled import draw_pairs


def brute_force(vectors, subjects, clusters, standing, width) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of credited ranks, numbers of credited pairs, and the rank of each drawn pair, pair by pair."""
    n = len(subjects)
    pairs = []
    for s in range(n):
        for t in range(n):
            if subjects[s] == subjects[t] and clusters[s] != clusters[t]:
                weight = 1 / np.sum((subjects == subjects[t]) & (clusters == clusters[t]))
                similarity = np.dot(vectors[min(s, t)].astype(np.float64), vectors[max(s, t)])
                pairs.append((s, t, similarity, weight))
    similarity, weights = np.array([pair[2] for pair in pairs]), np.array([pair[3] for pair in pairs])
    sums, numbers, ranks = np.zeros(n), np.zeros(n), []
    for s, t, own, weight in pairs:
        rank = weights[similarity < own].sum() + (weights[similarity == own].sum() - weight) / 2
        ranks.append(rank)
        for image, other in ((s, t), (t, s)):
            away = (standing[image] - standing[other]) / n
            share = 1 / (1 + np.exp(away / width)) if width else float(away < 0)
            sums[image] += share * weight * rank
            numbers[image] += share * weight
    return sums, numbers, np.array(ranks)


@pytest.mark.parametrize("width", [0, 0.05])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_against_brute_force_within_the_stated_resolution(
    rng: np.random.Generator, width: float, dtype: type
) -> None:
    vectors, subjects, _ = make_embedded(rng, [90, 1, 2, 25, 70])
    vectors = vectors.astype(dtype)
    clusters = rng.integers(5, size=188)
    clusters[subjects == 2] = [0, 0]
    standing = rng.permutation(188)
    layout, source = Partition.of(subjects, clusters), UnitVectors(vectors)
    table = rank_table(source, layout, execute=in_threads())
    credited = credit_places(
        source,
        layout,
        table=table,
        strength=strengths(standing, width)[layout.rows],
        soft=width > 0,
        execute=in_threads(),
    )
    sums, numbers, _ = credited[:, np.argsort(layout.rows)]
    exact_sums, exact_numbers, ranks = brute_force(vectors, subjects, clusters, standing, width)
    np.testing.assert_allclose(numbers, exact_numbers, rtol=1e-12)
    assert table.n_pairs == pytest.approx(table.weights.sum()) == layout.draws.sum()
    assert ranks.min() >= 0
    assert table.resolution < 0.002
    known = numbers > 0
    error = np.abs(sums[known] - exact_sums[known]) / numbers[known] / table.n_pairs
    assert error.max() <= table.resolution + 1e-6
    assert np.all(sums[~known] == 0)


def test_one_image_a_cluster_gives_the_published_ranks(rng: np.random.Generator) -> None:
    """Both directions of a pair are drawn and tie: ranks 2k and 2k + 1, on average 2k + 1/2."""
    similarity = np.array([0.1, -0.3, 0.8])
    vectors = np.zeros((6, 6), np.float32)
    for pair, value in enumerate(similarity):
        vectors[2 * pair, 2 * pair] = 1
        vectors[2 * pair + 1, [2 * pair, 2 * pair + 1]] = value, np.sqrt(1 - value**2)
    layout = Partition.of(np.repeat(np.arange(3), 2), np.arange(6))
    table = rank_table(UnitVectors(vectors), layout, execute=in_threads(1))
    sums, numbers, chances = credit_places(
        UnitVectors(vectors),
        layout,
        table=table,
        strength=strengths(np.arange(6), 0),
        soft=False,
        execute=in_threads(1),
    )
    assert numbers.tolist() == [2, 0, 2, 0, 2, 0]
    assert chances.tolist() == [1, 0, 1, 0, 1, 0]
    assert (sums[::2] / 2).tolist() == [2.5, 0.5, 4.5]


@pytest.mark.parametrize("kept", [0, 1 << 20])
@pytest.mark.parametrize("parts", [1, 3, 64])
@pytest.mark.parametrize("workers", [1, 4])
def test_results_depend_neither_on_the_split_nor_on_what_is_kept(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, parts: int, workers: int, kept: int
) -> None:
    vectors, subjects, _ = make_embedded(rng, [100, 1, 2, 50, 70, 33])
    layout, source = Partition.of(subjects, rng.integers(7, size=256)), UnitVectors(vectors)
    strength = strengths(rng.permutation(256), 0.1)

    def both(workers: int) -> tuple[np.ndarray, ...]:
        execute = in_threads(workers)
        table = rank_table(source, layout, execute=execute)
        return table.counts, credit_places(
            source, layout, table=table, strength=strength, soft=True, execute=execute
        )

    wanted = both(1)
    whole = Partition.parts
    monkeypatch.setattr(Partition, "parts", lambda self: whole(self, parts))
    monkeypatch.setattr(expected, "KEPT_PAIRS", kept)
    for found, known in zip(both(workers), wanted, strict=True):
        np.testing.assert_array_equal(found, known)


def test_the_chance_of_any_credit_against_counted_draws(rng: np.random.Generator) -> None:
    vectors, subjects, _ = make_embedded(rng, [9, 1, 7, 2])
    clusters, standing = (
        np.array([0, 0, 1, 1, 1, 2, 2, 0, 2, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]),
        rng.permutation(19),
    )
    layout = Partition.of(subjects, clusters)
    source, strength = UnitVectors(vectors), strengths(standing, 0)[layout.rows]
    credited = credit_places(
        source,
        layout,
        table=rank_table(source, layout, execute=in_threads(1)),
        strength=strength,
        soft=False,
        execute=in_threads(1),
    )
    counts = np.zeros(19)
    for drawn in draw_pairs([source], layout, seed=0, repetitions=range(2000), execute=in_threads(1)):
        counts += drawn.credit(strength).weight > 0
    np.testing.assert_allclose(credited[2], counts / 2000, atol=4 * np.sqrt(0.25 / 2000))
    np.testing.assert_array_equal(credited[2] == 0, credited[1] == 0)
