from __future__ import annotations

import numpy as np
import pytest

from fiqa.comparisons import subjects
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import EmbeddingSet, SampleSet
from fiqa.methods.cr_fiqa import CrFiqaLabels
from synthetic import make_embeddings


def label_by_loops(embeddings, samples, *, shift):
    vectors, subjects = embeddings.vectors.astype(float), samples.at(embeddings.sample_ids).subject_ids
    labels = {}

    def similarity(vector, rows):
        centre = np.mean([vectors[row] for row in rows], axis=0)
        return vector @ centre / np.linalg.norm(centre)

    for i, sample_id in enumerate(embeddings.sample_ids):
        partners = [j for j in np.flatnonzero(subjects == subjects[i]) if j != i]
        if partners:
            others = set(subjects) - {subjects[i]}
            nearest = max(similarity(vectors[i], np.flatnonzero(subjects == other)) for other in others)
            labels[str(sample_id)] = similarity(vectors[i], partners) / (nearest + shift)
    return labels


@pytest.mark.parametrize(("denominator", "shift"), [("shifted", 1.0), ("plain", 0.0)])
@pytest.mark.parametrize("block", [1, 2**24])
def test_labels_follow_the_definition(rng, denominator, shift, block, monkeypatch):
    monkeypatch.setattr(subjects, "_BLOCK_VALUES", block)
    embeddings, samples = make_embeddings([4, 1, 3, 6, 2, 5, 4], rng, dimension=3)
    labels = CrFiqaLabels(denominator=denominator).labels(embeddings, samples, rng)
    expected = label_by_loops(embeddings, samples, shift=shift)
    assert labels.sample_ids.tolist() == list(expected)
    np.testing.assert_allclose(labels.values, list(expected.values()), rtol=1e-4)


def test_the_plain_denominator_needs_a_class_on_the_same_side(rng):
    vectors = np.array([[1, 0], [1, 0], [-1, 0], [-1, 0]], np.float32)
    embeddings = EmbeddingSet(np.array(["a1", "a2", "b1", "b2"]), vectors, np.ones(4), "hand")
    samples = SampleSet(embeddings.sample_ids, np.array(["a", "a", "b", "b"]))
    with pytest.raises(DataError, match=r"near a1, a2, b1 and 1 more; use the shifted denominator"):
        CrFiqaLabels(denominator="plain").labels(embeddings, samples, rng)


def test_what_cannot_be_labelled_is_refused(rng):
    with pytest.raises(DataError, match="samples of at least two subjects"):
        CrFiqaLabels().labels(*make_embeddings([4], rng), rng)
    with pytest.raises(SettingsError, match="denominator must be one of shifted, plain, got 'both'"):
        CrFiqaLabels(denominator="both")
