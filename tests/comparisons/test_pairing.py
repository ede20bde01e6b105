from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.comparisons.pairing import all_mated_pairs, draw_mated_pairs, draw_non_mated_pairs
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import PairSet, SampleSet


def samples_of(subjects: list[int]) -> SampleSet:
    return SampleSet([f"i{row}" for row in range(len(subjects))], [f"p{code}" for code in subjects])


def unordered(pairs: PairSet) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}


def test_one_image_a_cluster_leaves_no_freedom() -> None:
    pairs = draw_mated_pairs(samples_of([0, 0, 1, 0, 1, 2]), np.arange(6), seed=5)
    drawn = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert drawn == [(0, 1), (0, 3), (1, 0), (1, 3), (3, 0), (3, 1), (2, 4), (4, 2)]
    assert pairs.mated.all()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40), st.integers(0, 9))
def test_one_partner_from_each_other_cluster(codes: list[tuple[int, int]], seed: int) -> None:
    subjects, clusters = np.array(codes).T
    pairs = draw_mated_pairs(samples_of(subjects.tolist()), clusters, seed=seed)
    drawn = sorted(zip(pairs.first.tolist(), clusters[pairs.second].tolist(), strict=True))
    wanted = sorted(
        (image, int(cluster))
        for image in range(len(codes))
        for cluster in np.unique(clusters[subjects == subjects[image]])
        if cluster != clusters[image]
    )
    assert drawn == wanted
    np.testing.assert_array_equal(subjects[pairs.first], subjects[pairs.second])


def test_partners_are_drawn_uniformly_and_anew() -> None:
    samples, clusters = samples_of([0] * 6), np.array([0, 1, 1, 1, 1, 1])
    draws = [draw_mated_pairs(samples, clusters, seed=1, repetition=k).second[0] for k in range(5000)]
    counts = np.bincount(draws, minlength=6)
    assert counts[0] == 0
    np.testing.assert_allclose(counts[1:], 1000, atol=4 * np.sqrt(800))
    again = [draw_mated_pairs(samples, clusters, seed=1, repetition=k).second[0] for k in range(50)]
    assert draws[:50] == again
    other = [draw_mated_pairs(samples, clusters, seed=2, repetition=k).second[0] for k in range(50)]
    assert draws[:50] != other


def test_all_mated_pairs_against_a_loop(rng: np.random.Generator) -> None:
    subjects = rng.integers(8, size=50).tolist()
    pairs = all_mated_pairs(samples_of(subjects))
    wanted = {frozenset(pair) for pair in combinations(range(50), 2) if len({subjects[i] for i in pair}) == 1}
    assert unordered(pairs) == wanted
    assert len(pairs) == len(wanted)
    assert len(all_mated_pairs(samples_of([0, 1, 2]))) == 0


@pytest.mark.parametrize("count", [1, 100, 900, 1045])
def test_non_mated_pairs_are_distinct(rng: np.random.Generator, count: int) -> None:
    subjects = np.repeat(np.arange(8), [1, 2, 3, 5, 8, 10, 10, 11])
    total = (50**2 - np.sum(np.bincount(subjects) ** 2)) // 2
    pairs = draw_non_mated_pairs(samples_of(subjects.tolist()), count=min(count, total), rng=rng)
    assert np.all(subjects[pairs.first] != subjects[pairs.second])
    assert len(unordered(pairs)) == len(pairs) == min(count, total)
    assert not pairs.mated.any()


def test_non_mated_pairs_are_equally_likely(rng: np.random.Generator) -> None:
    samples = samples_of([0, 0, 1, 2])
    counts: dict[frozenset[int], int] = {}
    for _ in range(2000):
        for pair in unordered(draw_non_mated_pairs(samples, count=2, rng=rng)):
            counts[pair] = counts.get(pair, 0) + 1
    assert len(counts) == 5
    np.testing.assert_allclose(list(counts.values()), 800, atol=4 * np.sqrt(2000 * 0.4 * 0.6))


def test_more_non_mated_pairs_than_there_are(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="6 non-mated pairs wanted, but the samples form only 5"):
        draw_non_mated_pairs(samples_of([0, 0, 1, 2]), count=6, rng=rng)
    with pytest.raises(SettingsError, match="count must be at least 1"):
        draw_non_mated_pairs(samples_of([0, 1]), count=0, rng=rng)
