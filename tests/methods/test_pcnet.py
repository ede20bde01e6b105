from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiqa.core.errors import SettingsError
from fiqa.methods import pcnet
from fiqa.methods.pcnet import PcNet, pair_minimum_fit
from synthetic import make_embeddings


def loss_by_loops(similarity, quality):
    pairs = [(i, j) for i in range(len(quality)) for j in range(i)]
    return sum((similarity[i, j] - min(quality[i], quality[j])) ** 2 for i, j in pairs)


def random_similarity(rng, size):
    vectors = rng.normal(size=(size, 4)) + 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7))
def test_no_sample_alone_can_lower_the_loss(seed, size):
    similarity = random_similarity(np.random.default_rng(seed), size)
    quality = pair_minimum_fit(similarity[None], sweeps=200)[0]
    loss = loss_by_loops(similarity, quality)
    for i in range(size):
        for level in np.linspace(-1, 1, 81):
            changed = quality.copy()
            changed[i] = level
            assert loss_by_loops(similarity, changed) >= loss - 1e-6


@pytest.mark.parametrize("size", [2, 3, 8])
def test_similarities_that_are_minima_are_explained_exactly(rng, size):
    truth = rng.uniform(0, 1, size)
    quality = pair_minimum_fit(np.minimum.outer(truth, truth)[None], sweeps=100)[0]
    best = np.argmax(truth)
    truth[best] = np.sort(truth)[-2]  # the best one is never the worse of a pair
    np.testing.assert_allclose(quality, truth, atol=1e-4)


def test_three_samples_by_hand():
    similarity = np.array([[[1, 0.8, 0.2], [0.8, 1, 0.4], [0.2, 0.4, 1]]])
    np.testing.assert_allclose(pair_minimum_fit(similarity), [[0.8, 0.8, 0.3]])


def test_more_sweeps_never_raise_the_loss(rng):
    similarity = random_similarity(rng, 9)
    losses = [loss_by_loops(similarity, pair_minimum_fit(similarity[None], sweeps=n)[0]) for n in range(1, 6)]
    assert (np.diff(losses) <= 1e-12).all()


def test_labels_are_fitted_within_each_subject(rng, monkeypatch):
    monkeypatch.setattr(pcnet, "_BLOCK_PAIRS", 20)
    embeddings, samples = make_embeddings([4, 1, 3, 4, 2, 4], rng)
    labels = PcNet().labels(embeddings, samples, rng)
    subjects = samples.at(embeddings.sample_ids).subject_ids
    for subject in np.unique(subjects):
        rows = np.flatnonzero(subjects == subject)
        if len(rows) > 1:
            vectors = embeddings.vectors[rows]
            expected = pair_minimum_fit((vectors @ vectors.T)[None])[0]
            np.testing.assert_allclose(labels.at(embeddings.sample_ids[rows]), expected, atol=1e-5)
    assert len(labels) == 17


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingsError, match="sweeps must be a whole number of at least 1, got 0"):
        PcNet(sweeps=0)
