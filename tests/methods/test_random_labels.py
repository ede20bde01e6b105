from __future__ import annotations

import numpy as np

from fiqa.methods.random_labels import RandomLabels
from synthetic import make_embeddings


def test_labels_are_uniform_and_know_nothing(rng):
    embeddings, samples = make_embeddings([10] * 200, rng)
    labels = RandomLabels().labels(embeddings, samples, rng)
    assert labels.scale == "unit"
    np.testing.assert_allclose(np.quantile(labels.values, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.04)
    assert abs(np.corrcoef(labels.values, embeddings.norms)[0, 1]) < 0.1
