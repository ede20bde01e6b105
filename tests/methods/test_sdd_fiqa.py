from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import EmbeddingSet, SampleSet
from fiqa.methods import sdd_fiqa
from fiqa.methods.sdd_fiqa import SddFiqaLabels, draw_distinct, wasserstein
from synthetic import make_embeddings


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_wasserstein_agrees_with_scipy(seed, p, q, ties):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(4, p)), rng.normal(size=(4, q))
    if ties:
        first, second = np.round(first), np.round(second)
    n_first, n_second = rng.integers(1, p + 1, 4), rng.integers(1, q + 1, 4)
    found = wasserstein(first, second, first_counts=n_first, second_counts=n_second)
    expected = [
        wasserstein_distance(a[:m], b[:n])
        for a, b, m, n in zip(first, second, n_first, n_second, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_wasserstein_by_hand():
    found = wasserstein(
        np.array([[0.9, 0.7]]),
        np.array([[0.1, 0.3]]),
        first_counts=np.array([2]),
        second_counts=np.array([2]),
    )
    assert found == pytest.approx(0.6)  # sorted pairs 0.7-0.1 and 0.9-0.3


def test_draws_are_distinct_and_within_the_population(rng):
    populations = rng.integers(1, 40, 200)
    drawn, counts = draw_distinct(populations, 10, rng=rng)
    np.testing.assert_array_equal(counts, np.minimum(populations, 10))
    for row, population, count in zip(drawn, populations, counts, strict=True):
        numbers = row[:count]
        assert len(set(numbers)) == count
        assert 0 <= numbers.min() <= numbers.max() < population
        assert not row[count:].any()
        assert count < population or sorted(numbers) == list(range(population))


def test_draws_are_uniform(rng):
    drawn, _ = draw_distinct(np.full(20_000, 7), 3, rng=rng)
    frequencies = np.bincount(drawn.ravel(), minlength=7) / 20_000
    np.testing.assert_allclose(frequencies, 3 / 7, atol=0.015)


def label_by_loops(embeddings, samples):
    """Labels when every mated and non-mated comparison is drawn."""
    vectors, subjects = embeddings.vectors.astype(float), samples.at(embeddings.sample_ids).subject_ids
    distances = {}
    for i, sample_id in enumerate(embeddings.sample_ids):
        mated = [
            vectors[i] @ vectors[j] for j in range(len(vectors)) if j != i and subjects[j] == subjects[i]
        ]
        others = [vectors[i] @ vectors[j] for j in range(len(vectors)) if subjects[j] != subjects[i]]
        if mated:
            distances[sample_id] = wasserstein_distance(mated, others)
    values = np.array(list(distances.values()))
    return list(distances), 100 * (values - values.min()) / np.ptp(values)


@pytest.mark.parametrize("block", [3, 1024])
def test_labels_follow_the_definition_where_all_is_drawn(rng, block, monkeypatch):
    monkeypatch.setattr(sdd_fiqa, "_BLOCK_ROWS", block)
    embeddings, samples = make_embeddings([4, 1, 3, 5, 1, 2], rng)
    labels = SddFiqaLabels(comparisons=24, repetitions=2).labels(embeddings, samples, rng)
    ids, expected = label_by_loops(embeddings, samples)
    assert labels.sample_ids.tolist() == ids
    np.testing.assert_allclose(labels.values, expected, atol=1e-4)


def test_drawn_comparisons_are_of_the_right_kind(rng, monkeypatch):
    """Subjects on axes of their own: every mated similarity is known, every non-mated one is 0."""
    monkeypatch.setattr(sdd_fiqa, "_POOL", 20)
    monkeypatch.setattr(sdd_fiqa, "_BLOCK_ROWS", 16)
    vectors, subjects = [], []
    for subject in range(10):
        for angle in 0.02 * subject * np.arange(6):
            vector = np.zeros(20)
            vector[[2 * subject, 2 * subject + 1]] = np.cos(angle), np.sin(angle)
            vectors.append(vector)
            subjects.append(f"p{subject}")
    order = rng.permutation(60)
    ids = np.array([f"s{row}" for row in range(60)])
    samples = SampleSet(ids, np.array(subjects)[order])
    embeddings = EmbeddingSet(ids, np.array(vectors, np.float32)[order], np.ones(60), "axes")
    labels = SddFiqaLabels(comparisons=5, repetitions=3).labels(embeddings, samples, rng)
    table = embeddings.vectors @ embeddings.vectors.T
    same = samples.subject_ids[:, None] == samples.subject_ids[None]
    means = (np.where(same, table, 0).sum(axis=1) - 1) / 5
    np.testing.assert_allclose(labels.values, 100 * (means - means.min()) / np.ptp(means), atol=1e-3)


def test_labels_depend_on_the_generator_alone(rng):
    embeddings, samples = make_embeddings([40, 30, 50], rng)
    generators = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    runs = [SddFiqaLabels().labels(embeddings, samples, generator).values for generator in generators]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    assert np.corrcoef(runs[0], runs[2])[0, 1] > 0.9


def test_what_cannot_be_labelled_is_refused(rng):
    with pytest.raises(DataError, match="sdd_fiqa needs a subject with at least two samples"):
        SddFiqaLabels().labels(*make_embeddings([1, 1, 1], rng), rng)
    with pytest.raises(DataError, match="needs samples of other subjects"):
        SddFiqaLabels().labels(*make_embeddings([5], rng), rng)
    embeddings, samples = make_embeddings([2, 2], rng)
    alike = EmbeddingSet(
        embeddings.sample_ids, np.eye(4, dtype=np.float32)[[0, 0, 1, 1]], np.ones(4), "alike"
    )
    with pytest.raises(DataError, match="all samples have one distance"):
        SddFiqaLabels().labels(alike, samples, rng)
    with pytest.raises(SettingsError, match="comparisons must be a whole number of at least 1, got 0"):
        SddFiqaLabels(comparisons=0)
