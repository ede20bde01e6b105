from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.protocols import InputSpec
from fiqa.models.embed import embed, embedding_set


class Brightness:
    """Embeds a crop as (3, 4) times its first value; black has no direction, 255 no finite one."""

    name = "brightness"
    spec = InputSpec(size=2)
    dimension = 2

    def embed(self, images):
        values = self.spec.prepare(images)[:, 0, 0, 0]
        values[values == 255] = np.inf
        return values[:, None] * np.array([3, 4], np.float32)


def crops(*values):
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


def test_unit_vectors_and_norms_in_the_order_of_the_batches():
    vectors, norms = embed(Brightness(), [crops(1, 2), crops(10)])
    np.testing.assert_allclose(norms, [5, 10, 50])
    np.testing.assert_allclose(vectors, np.tile([0.6, 0.8], (3, 1)), rtol=1e-6)
    assert vectors.dtype == norms.dtype == np.float32


def test_progress_is_told_after_each_batch():
    seen = []
    embed(Brightness(), [crops(1, 2), crops(10)], total=3, progress=lambda *counts: seen.append(counts))
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.filterwarnings("ignore:invalid value")
def test_crops_without_direction_become_failures():
    vectors, norms = embed(Brightness(), [crops(1, 0, 255)])
    np.testing.assert_array_equal(norms, [5, 0, 0])
    np.testing.assert_array_equal(vectors[1:], 0)
    ids = np.array(["a", "b", "c"])
    embeddings, failures = embedding_set(Brightness(), ids, vectors=vectors, norms=norms)
    assert embeddings.sample_ids.tolist() == ["a"]
    assert embeddings.recogniser == "brightness"
    assert [(failure.sample_id, failure.reason) for failure in failures] == [
        ("b", "zero_embedding"),
        ("c", "zero_embedding"),
    ]


def test_no_batches_give_no_rows():
    vectors, norms = embed(Brightness(), [])
    assert vectors.shape == (0, 2)
    assert norms.shape == (0,)


def test_crops_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"crops must be \(n, 2, 2, 3\)"):
        embed(Brightness(), [np.zeros((1, 3, 3, 3), np.uint8)])
