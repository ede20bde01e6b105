from __future__ import annotations

import numpy as np
import pytest

from embedded import make_embedded
from fiqa.comparisons.compare import compare
from fiqa.core.errors import DataError
from fiqa.core.types import EmbeddingSet, PairSet


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_against_plain_products(rng: np.random.Generator, tmp_path, dtype: type) -> None:
    vectors, _, _ = make_embedded(rng, [30, 20])
    np.save(tmp_path / "v.npy", vectors.astype(dtype))
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    embeddings = EmbeddingSet([f"i{row}" for row in range(50)], mapped, np.ones(50), "made-up")
    names = rng.permutation(embeddings.sample_ids)
    first = rng.integers(50, size=20_000)
    second = (first + rng.integers(1, 50, size=20_000)) % 50
    scores = compare(embeddings, PairSet(names, first, second, np.zeros(20_000, bool)))
    row = np.array([int(name[1:]) for name in names])
    wanted = np.einsum("md,md->m", *(mapped[row[side]].astype(np.float64) for side in (first, second)))
    np.testing.assert_allclose(scores.similarity, wanted, atol=1e-6)
    assert scores.recogniser == "made-up"


def test_only_compared_samples_need_an_embedding(rng: np.random.Generator) -> None:
    vectors, _, _ = make_embedded(rng, [3])
    embeddings = EmbeddingSet(["a", "b", "c"], vectors, np.ones(3), "made-up")
    ids, mated = np.array(["a", "x", "c"]), np.array([True])
    pairs = PairSet(ids, np.array([0]), np.array([2]), mated)
    assert compare(embeddings, pairs).similarity[0] == pytest.approx(vectors[0] @ vectors[2], abs=1e-6)
    with pytest.raises(DataError, match="embeddings of made-up: 1 of 2 ids are missing, first x"):
        compare(embeddings, PairSet(ids, np.array([0]), np.array([1]), mated))
