from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fiqa.core.arrays import from_top, linked, mean_ranks, places_within, rank_correlation, whole


def test_linked_by_hand() -> None:
    first, second = np.array([4, 1, 5]), np.array([1, 3, 5])
    assert linked(6, first, second).tolist() == [0, 1, 2, 1, 1, 5]
    assert linked(3, first[:0], second[:0]).tolist() == [0, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=60))
def test_linked_against_walking(links: list[tuple[int, int]]) -> None:
    neighbours: dict[int, set[int]] = {item: {item} for item in range(30)}
    for one, other in links:
        neighbours[one].add(other)
        neighbours[other].add(one)
    wanted = []
    for item in range(30):
        reached, waiting = set(), [item]
        while waiting:
            here = waiting.pop()
            if here not in reached:
                reached.add(here)
                waiting += neighbours[here]
        wanted.append(min(reached))
    ends = np.array(links, dtype=np.int64).reshape(-1, 2)
    assert linked(30, ends[:, 0], ends[:, 1]).tolist() == wanted


@given(st.lists(st.integers(0, 6), min_size=1, max_size=20))
def test_mean_ranks_have_a_slow_twin(values: list[int]) -> None:
    twin = [sum(v < x for v in values) + (sum(v == x for v in values) - 1) / 2 for x in values]
    np.testing.assert_allclose(mean_ranks(np.array(values, float)), twin)


def test_places_within_groups_by_hand() -> None:
    assert places_within(np.array([2, 0, 2, 2, 0, 1])).tolist() == [0, 0, 1, 2, 1, 0]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20))
def test_spearman_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, float).T
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert rank_correlation(first, second) is None
    else:
        assert rank_correlation(first, second) == pytest.approx(
            stats.spearmanr(first, second).statistic, abs=1e-12
        )


def test_a_rate_is_not_lost_to_binary_fractions() -> None:
    assert whole(0.29 * 100) == 29  # 28.999999999999996
    assert whole(1 / 49 * 49) == 1  # 0.9999999999999999
    assert whole(1e-5 * 87_544_528) == 875
    assert whole(2.999) == 2


def test_from_top_by_hand() -> None:
    assert from_top(np.array([2, 0, 3, 1])).tolist() == [6, 4, 4, 1]
