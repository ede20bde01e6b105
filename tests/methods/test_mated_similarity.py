from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.methods.mated_similarity import MatedSimilarity
from synthetic import make_embeddings


@pytest.mark.parametrize("block", [2, 16_384])
def test_labels_follow_the_definition(rng, block, monkeypatch):
    monkeypatch.setattr("fiqa.comparisons.subjects.BLOCK_ROWS", block)
    embeddings, samples = make_embeddings([5, 1, 2, 7], rng)
    labels = MatedSimilarity().labels(embeddings, samples, rng)
    vectors, subjects = embeddings.vectors.astype(float), samples.at(embeddings.sample_ids).subject_ids
    expected = {}
    for i, sample_id in enumerate(embeddings.sample_ids):
        mated = [vectors[i] @ vectors[j] for j in range(15) if j != i and subjects[j] == subjects[i]]
        if mated:
            expected[str(sample_id)] = np.mean(mated)
    assert labels.sample_ids.tolist() == list(expected)
    np.testing.assert_allclose(labels.values, list(expected.values()), atol=1e-6)


def test_subjects_of_one_sample_alone_are_refused(rng):
    with pytest.raises(DataError, match="mated_similarity needs a subject with at least two samples"):
        MatedSimilarity().labels(*make_embeddings([1, 1], rng), rng)
