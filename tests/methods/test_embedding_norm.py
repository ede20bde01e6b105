from __future__ import annotations

import cv2
import numpy as np
import pytest

from fiqa.core.errors import SettingsError
from fiqa.core.types import FaceCrops
from fiqa.methods.embedding_norm import EmbeddingNorm, NormLabels
from networks import tiny_recogniser
from synthetic import make_embeddings


def test_scores_are_lengths_of_raw_embeddings(rng):
    recogniser = tiny_recogniser()
    crops = FaceCrops(rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8))
    expected = [np.sqrt(sum(float(x) ** 2 for x in vector)) for vector in recogniser.embed(crops.images)]
    np.testing.assert_allclose(EmbeddingNorm(recogniser).score(crops), expected, rtol=1e-6)


def test_a_second_look_is_averaged_in(rng):
    recogniser = tiny_recogniser()
    crops = FaceCrops(rng.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8))
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 1.5) for image in crops.images])
    first, second = (EmbeddingNorm(recogniser).score(FaceCrops(images)) for images in (crops.images, blurred))
    method = EmbeddingNorm(recogniser, second_look=1.5)
    np.testing.assert_allclose(method.score(crops), (first + second) / 2)
    assert np.abs(first - second).max() > 0.01 * first.max()
    assert method.score_tensor is None


@pytest.mark.parametrize("sigma", [0, -1.0, True, "1"])
def test_a_second_look_is_a_blur(sigma):
    with pytest.raises(SettingsError, match="second_look must be a number above 0"):
        EmbeddingNorm(tiny_recogniser(), second_look=sigma)


def test_labels_are_the_kept_norms(rng):
    embeddings, samples = make_embeddings([2, 3, 1], rng)
    labels = NormLabels().labels(embeddings, samples, rng)
    assert (labels.sample_ids == embeddings.sample_ids).all()
    np.testing.assert_array_equal(labels.values, embeddings.norms)
