from __future__ import annotations

import random

import numpy as np
import pytest
from benchmarks.speed import plain_loops
from hypothesis import given
from hypothesis import strategies as st

from embedded import make_embedded
from fiqa.comparisons.execution import in_threads
from fiqa.comparisons.partition import Partition
from fiqa.comparisons.vectors import UnitVectors
from fiqa.core.errors import DataError
from fiqa.optimize.credit import strengths
from fiqa.optimize.labels import optimize_by_pairs
from fiqa.optimize.sampled import DrawnPairs, draw_pairs, pair_ranks
from fiqa.optimize.settings import OptimizeSettings

SIMILARITIES = st.lists(st.sampled_from([-1.0, -0.5, -0.0, 0.0, 1e-45, -1e-45, 0.25, 1.0]), min_size=1)


@given(SIMILARITIES, st.sampled_from([np.float32, np.float64]))
def test_ranks_are_those_of_a_stable_sort(similarity: list[float], dtype: type) -> None:
    values = np.array(similarity, dtype)
    wanted = np.empty(len(values), int)
    wanted[np.argsort(values, kind="stable")] = np.arange(len(values))
    np.testing.assert_array_equal(pair_ranks(values), wanted)


def drawn(*pairs: tuple[int, int, float]) -> DrawnPairs:
    first, second, similarity = zip(*pairs, strict=True)
    return DrawnPairs(np.array(first, np.int32), np.array(second, np.int32), np.array(similarity))


@pytest.mark.parametrize(
    ("epsilon", "order"), [(0.6, [10.0, 30.0, 20.0, 40.0]), (0.5, [10.0, 20.0, 30.0, 40.0])]
)
def test_worked_example(epsilon: float, order: list[float]) -> None:
    """Four images a < b < c < d; pairs ab, cd, bc by rising similarity.

    a is worse in pair 0, c in pair 1, b in pair 2. A step of 0.6 moves b from 1 to 1.6 and c from 2 to 1.4:
    they change places. A step of 0.5 moves both to 1.5: a tie keeps the order.
    """
    draw = drawn((1, 2, 0.9), (2, 3, 0.5), (0, 1, 0.1))
    credit = draw.credit(strengths(np.arange(4), 0))
    assert credit.mean_rank.tolist() == [0, 2, 1, 0]
    assert credit.weight.tolist() == [1, 1, 1, 0]
    values = np.array([10.0, 20.0, 30.0, 40.0])
    assert optimize_by_pairs(values, [draw], settings=OptimizeSettings(epsilon=epsilon)).tolist() == order


@pytest.mark.parametrize("epsilon", [0.001, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("digits", [2, 6, 16])
def test_bit_for_bit_as_plain_loops(rng: np.random.Generator, epsilon: float, digits: int) -> None:
    vectors, subjects, _ = make_embedded(rng, [20, 1, 13, 30, 2])
    clusters = rng.integers(5, size=66)
    values = np.round(rng.normal(size=66), 1)
    lists: dict[str, dict[int, list[str]]] = {}
    for row in range(66):
        lists.setdefault(f"p{subjects[row]}", {}).setdefault(int(clusters[row]), []).append(str(row))
    embeddings = {str(row): vectors[row] for row in range(66)}
    repetitions = [plain_loops.draw_pairs(lists, embeddings, random.Random(k)) for k in range(10)]
    repetitions = [[(a, b, round(value, digits)) for a, b, value in pairs] for pairs in repetitions]
    repetitions[3] += repetitions[3][:7]
    wanted = plain_loops.optimise({str(row): float(values[row]) for row in range(66)}, repetitions, epsilon)
    draws = [drawn(*((int(a), int(b), similarity) for a, b, similarity in pairs)) for pairs in repetitions]
    found = optimize_by_pairs(values, draws, settings=OptimizeSettings(epsilon=epsilon))
    assert found.tolist() == [wanted[str(row)] for row in range(66)]


def test_a_pair_that_names_no_value_is_refused() -> None:
    with pytest.raises(DataError, match="pairs index 0 to 50 of 10 values"):
        optimize_by_pairs(np.arange(10.0), [drawn((0, 1, 0.5), (3, 50, 0.4))], settings=OptimizeSettings())


def test_soft_credit_against_a_loop(rng: np.random.Generator) -> None:
    standing = rng.permutation(12)
    pairs = [
        (int(a), int(b), float(s))
        for a, b, s in zip(*rng.integers(12, size=(2, 40)), rng.random(40), strict=True)
    ]
    credit = drawn(*pairs).credit(strengths(standing, 0.1), soft=True)
    ranked = sorted(pairs, key=lambda pair: np.float32(pair[2]))
    sums, weight = np.zeros(12), np.zeros(12)
    for rank, (a, b, _) in enumerate(ranked):
        for own, other in ((a, b), (b, a)):
            share = 1 / (1 + np.exp((standing[own] - standing[other]) / 12 / 0.1))
            sums[own] += share * rank
            weight[own] += share
    np.testing.assert_allclose(credit.weight, weight)
    np.testing.assert_allclose(credit.mean_rank * weight, sums)


def test_ranks_of_several_recognisers_are_averaged(rng: np.random.Generator) -> None:
    first, second = rng.integers(9, size=(2, 30)).astype(np.int32)
    similarity = rng.random((3, 30)).astype(np.float32)
    strength = strengths(rng.permutation(9), 0)
    together = DrawnPairs(first, second, similarity).credit(strength)
    alone = [DrawnPairs(first, second, row).credit(strength) for row in similarity]
    np.testing.assert_allclose(together.mean_rank, np.mean([one.mean_rank for one in alone], axis=0))
    np.testing.assert_array_equal(together.weight, alone[0].weight)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("parts", [1, 5, 64])
def test_drawn_pairs_do_not_depend_on_the_split(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, workers: int, parts: int
) -> None:
    vectors, subjects, _ = make_embedded(rng, [30, 1, 2, 50, 17])
    layout = Partition.of(subjects, rng.integers(6, size=100))
    source = [UnitVectors(vectors)]
    wanted = draw_pairs(source, layout, seed=3, repetitions=[0, 2], execute=in_threads())[1]
    np.testing.assert_allclose(
        wanted.similarity[0],
        np.einsum("pd,pd->p", vectors[layout.rows[wanted.first]], vectors[layout.rows[wanted.second]]),
        atol=1e-6,
    )
    whole = Partition.parts
    monkeypatch.setattr(Partition, "parts", lambda self: whole(self, parts))
    found = draw_pairs(source, layout, seed=3, repetitions=[2], execute=in_threads(workers))[0]
    for name in ("first", "second", "similarity"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def test_a_draw_without_pairs_is_refused() -> None:
    empty = np.zeros(0, np.int32)
    with pytest.raises(DataError, match="1 to 2\\*\\*32-1 pairs, got 0"):
        DrawnPairs(empty, empty, np.zeros((1, 0), np.float32)).credit(np.arange(3.0))
    with pytest.raises(DataError, match="first 0, second 0, similarity 2"):
        DrawnPairs(empty, empty, np.zeros(2, np.float32))
