from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.comparisons.duplicates import near_duplicates
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import EmbeddingSet, QualityScores, SampleSet


def data(degrees, subjects, quality):
    """Samples whose embeddings point to these degrees of a circle."""
    ids = np.array([f"i{n}" for n in range(len(degrees))])
    angles = np.radians(degrees)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    embeddings = EmbeddingSet(ids, vectors, np.ones(len(ids), np.float32), "circle")
    return embeddings, SampleSet(ids, np.array(subjects)), QualityScores(ids, np.array(quality, float), "m")


def test_by_hand():
    # cos 10° = 0.985: neighbours by 10° repeat each other, by 20° (0.94) they do not
    found = near_duplicates(
        *data([0, 10, 20, 10, 0], ["a", "a", "a", "b", "c"], [3, 2, 1, 9, 9]), threshold=0.98
    )
    assert found.tolist() == [-1, 0, -1, -1, -1]
    found = near_duplicates(*data([0, 10, 20], ["a", "a", "a"], [1, 3, 2]), threshold=0.98)
    assert found.tolist() == [1, -1, 1]
    assert near_duplicates(*data([0, 0], ["a", "a"], [5, 5])).tolist() == [-1, 0]
    assert near_duplicates(*data([0, 0], ["a", "a"], [5, 5]), threshold=2).tolist() == [-1, -1]


def test_exact_copies_have_a_cosine_of_1(rng):
    vectors = rng.normal(size=(200, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.array([f"i{n}" for n in range(400)])
    embeddings = EmbeddingSet(ids, np.repeat(vectors, 2, axis=0), np.ones(400, np.float32), "random")
    samples, scores = SampleSet(ids, np.repeat(ids[:200], 2)), QualityScores(ids, np.zeros(400), "m")
    found = near_duplicates(embeddings, samples, scores, threshold=1)
    assert found.tolist() == [row - 1 if row % 2 else -1 for row in range(400)]


@given(
    st.lists(
        st.tuples(st.integers(0, 71), st.sampled_from("abc"), st.integers(0, 5)), min_size=1, max_size=25
    )
)
def test_slow_twin(rows):
    degrees, subjects, quality = zip(*((5 * turn, name, score) for turn, name, score in rows), strict=True)
    found = near_duplicates(*data(degrees, subjects, quality), threshold=0.98)
    stays: list[int] = []
    for row in sorted(range(len(rows)), key=lambda row: -quality[row]):
        close = [
            other
            for other in stays
            if subjects[other] == subjects[row] and np.cos(np.radians(degrees[other] - degrees[row])) >= 0.98
        ]
        assert found[row] == (close[0] if close else -1)
        if not close:
            stays.append(row)


def test_order_of_files_does_not_matter():
    embeddings, samples, scores = data([0, 1, 90], ["a", "a", "a"], [1, 2, 3])
    turned = np.array(["i2", "i0", "i1"])
    found = near_duplicates(embeddings, samples.at(turned), scores)
    assert found.tolist() == [-1, 2, -1]


def test_what_is_refused():
    embeddings, samples, scores = data([0, 1], ["a", "a"], [1, 2])
    with pytest.raises(SettingsError, match="near-duplicates need a cosine above 0, got 0"):
        near_duplicates(embeddings, samples, scores, threshold=0)
    with pytest.raises(DataError, match="embeddings of circle"):
        near_duplicates(embeddings.at(samples.sample_ids[:1]), samples, scores)
