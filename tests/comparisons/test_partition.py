from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.comparisons.partition import Partition
from fiqa.core.errors import DataError


def test_places_run_by_subject_and_cluster() -> None:
    layout = Partition.of(np.array([1, 0, 1, 0, 1, 7]), np.array([0, 5, 2, 5, 0, 0]))
    assert layout.rows.tolist() == [1, 3, 0, 4, 2, 5]
    assert layout.subject_starts.tolist() == [0, 2, 5, 6]
    assert layout.cluster_starts.tolist() == [0, 2, 4, 5, 6]
    assert layout.first_clusters.tolist() == [0, 1, 3, 4]
    assert layout.subject_sizes.tolist() == [2, 3, 1]
    assert layout.subject_clusters.tolist() == [1, 2, 1]
    assert layout.cluster_sizes.tolist() == [2, 2, 2, 2, 1, 1]
    assert layout.cluster_ends.tolist() == [2, 2, 4, 4, 5, 6]
    assert layout.draws.tolist() == [0, 0, 1, 1, 1, 0]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1), st.integers(1, 9))
def test_parts_and_batches_cover_every_subject_once(codes: list[tuple[int, int]], count: int) -> None:
    subjects, clusters = np.array(codes).T
    layout = Partition.of(subjects, clusters)
    parts = layout.parts(count)
    assert len(parts) <= count
    assert [subject for part in parts for subject in range(*part)] == list(range(layout.n_subjects))
    place = 0
    for part in parts:
        for start, batch in layout.batches(part):
            assert start == place
            own = Partition.of(subjects[batch.rows], clusters[batch.rows])
            np.testing.assert_array_equal(own.subject_starts, batch.subject_starts)
            np.testing.assert_array_equal(own.cluster_starts, batch.cluster_starts)
            np.testing.assert_array_equal(own.first_clusters, batch.first_clusters)
            np.testing.assert_array_equal(layout.rows[start : start + len(batch)], batch.rows)
            place += len(batch)
    assert place == len(codes)


def test_batches_hold_few_samples_or_one_large_subject() -> None:
    sizes = [3000, 1000, 96, 1, 9000, 2, 3]
    layout = Partition.of(np.repeat(np.arange(7), sizes), np.zeros(sum(sizes), int))
    assert [len(batch) for _, batch in layout.batches((0, 7))] == [4096, 1, 9000, 5]


def test_parts_have_about_equal_cost() -> None:
    layout = Partition.of(np.repeat(np.arange(1000), 5), np.zeros(5000, int))
    lengths = [stop - first for first, stop in layout.parts()]
    assert len(lengths) == 64
    assert max(lengths) - min(lengths) <= 1


def test_samples_without_a_cluster_are_named() -> None:
    with pytest.raises(DataError, match="2 samples have no cluster, first at rows 1, 3"):
        Partition.of(np.zeros(4, int), np.array([0, -1, 2, -1]))
    with pytest.raises(DataError, match="subjects 2, clusters 1"):
        Partition.of(np.zeros(2, int), np.zeros(1, int))
    with pytest.raises(DataError, match="no samples"):
        Partition.of(np.zeros(0, int), np.zeros(0, int))
