from __future__ import annotations

import numpy as np

from fiqa.core.types import FaceCrops
from fiqa.methods.embedding_norm import EmbeddingNorm, NormLabels
from networks import tiny_recogniser
from synthetic import make_embeddings


def test_scores_are_lengths_of_raw_embeddings(rng):
    recogniser = tiny_recogniser()
    crops = FaceCrops(rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8))
    expected = [np.sqrt(sum(float(x) ** 2 for x in vector)) for vector in recogniser.embed(crops.images)]
    np.testing.assert_allclose(EmbeddingNorm(recogniser).score(crops), expected, rtol=1e-6)


def test_labels_are_the_kept_norms(rng):
    embeddings, samples = make_embeddings([2, 3, 1], rng)
    labels = NormLabels().labels(embeddings, samples, rng)
    assert (labels.sample_ids == embeddings.sample_ids).all()
    np.testing.assert_array_equal(labels.values, embeddings.norms)
