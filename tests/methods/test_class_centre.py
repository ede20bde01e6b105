from __future__ import annotations

import logging

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import EmbeddingSet, SampleSet
from fiqa.methods import class_centre
from fiqa.methods.class_centre import ClassCentre
from synthetic import make_embeddings


def unit(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def embedding_set(vectors):
    return EmbeddingSet(
        np.array([f"s{row}" for row in range(len(vectors))]), vectors, np.ones(len(vectors)), "hand"
    )


def test_labels_by_hand(rng):
    embeddings = embedding_set(unit(0, 20, 40, 90))
    samples = SampleSet(embeddings.sample_ids, np.array(["a", "a", "a", "b"]))
    labels = ClassCentre().labels(embeddings, samples, rng)
    assert labels.sample_ids.tolist() == ["s0", "s1", "s2"]  # s3 is the only one of its subject
    # the centre of 20 and 40 degrees lies at 30 degrees, that of 0 and 40 at 20
    np.testing.assert_allclose(labels.values, np.cos(np.radians([30, 0, 30])), atol=1e-6)


def label_by_loops(embeddings, samples):
    vectors, subjects = embeddings.vectors.astype(float), samples.at(embeddings.sample_ids).subject_ids
    labels = {}
    for i, sample_id in enumerate(embeddings.sample_ids):
        others = [vectors[j] for j in range(len(vectors)) if j != i and subjects[j] == subjects[i]]
        if others:
            centre = np.mean(others, axis=0)
            labels[str(sample_id)] = vectors[i] @ centre / np.linalg.norm(centre)
    return labels


@pytest.mark.parametrize("block", [2, 16_384])
def test_labels_follow_the_definition(rng, block, monkeypatch):
    monkeypatch.setattr(class_centre, "BLOCK_ROWS", block)
    embeddings, samples = make_embeddings([5, 1, 2, 7, 3], rng)
    labels = ClassCentre().labels(embeddings, samples, rng)
    expected = label_by_loops(embeddings, samples)
    assert labels.sample_ids.tolist() == list(expected)
    np.testing.assert_allclose(labels.values, list(expected.values()), atol=1e-6)


def test_samples_without_a_partner_are_counted(rng, caplog):
    with caplog.at_level(logging.INFO):
        ClassCentre().labels(*make_embeddings([3, 1, 1], rng), rng)
    assert "class_centre: 2 samples without a mated partner get no label" in caplog.text


def test_what_has_no_centre_is_refused(rng):
    embeddings = embedding_set(unit(0, 90, 270))
    samples = SampleSet(embeddings.sample_ids, np.array(["a", "a", "a"]))
    with pytest.raises(DataError, match="the other samples of the subject cancel out for s0"):
        ClassCentre().labels(embeddings, samples, rng)
    with pytest.raises(DataError, match="class_centre needs a subject with at least two samples"):
        ClassCentre().labels(*make_embeddings([1, 1], rng), rng)
