"""Similarity of given pairs, in blocks, so that memory-mapped embeddings are never read whole."""

from __future__ import annotations

import numpy as np

from ..core.arrays import positions
from ..core.types import ComparisonScores, EmbeddingSet, PairSet
from .vectors import UnitVectors

_BLOCK_PAIRS = 8192


def compare(embeddings: EmbeddingSet, pairs: PairSet) -> ComparisonScores:
    """Cosine similarity of each pair, in [-1, 1] up to rounding; higher = more similar.

    Args:
        embeddings: Unit vectors of (at least) the samples that the pairs name, in any order.
        pairs: What to compare.

    Raises:
        DataError: If a compared sample has no embedding, naming the first three.
    """
    used = np.unique(np.concatenate((pairs.first, pairs.second)))
    rows = np.zeros(len(pairs.sample_ids), np.int64)
    rows[used] = positions(
        pairs.sample_ids[used], embeddings.sample_ids, what=f"embeddings of {embeddings.recogniser}"
    )
    vectors = UnitVectors(embeddings.vectors)
    similarity = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _BLOCK_PAIRS):
        block = slice(start, start + _BLOCK_PAIRS)
        first, second = vectors.read(rows[pairs.first[block]]), vectors.read(rows[pairs.second[block]])
        np.einsum("md,md->m", first, second, out=similarity[block])
    return ComparisonScores(pairs, similarity, embeddings.recogniser)
