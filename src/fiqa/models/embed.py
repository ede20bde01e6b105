"""Crops to unit embeddings and their norms."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import Progress, Recogniser, silent
from ..core.types import EmbeddingSet, Failure


def embed(
    recogniser: Recogniser,
    batches: Iterable[NDArray[np.uint8]],
    *,
    total: int = 0,
    progress: Progress = silent,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed crops batch by batch.

    Args:
        recogniser: What embeds.
        batches: uint8 RGB crops (k, size, size, 3) each, of any k.
        total: Number of crops, told to `progress` alone.
        progress: Called after each batch.

    Returns:
        Vectors (n, d) float32 of unit length and norms (n,) float32 before normalisation. A crop that the
        recogniser gives no direction (a zero or non-finite vector) has norm 0 and a zero vector.

    Raises:
        DataError: If the crops have another size than the recogniser wants.
    """
    vectors = [np.zeros((0, recogniser.dimension), np.float32)]
    done = 0
    for batch in batches:
        vectors.append(recogniser.embed(batch))
        progress(done := done + len(batch), total)
    raw = np.concatenate(vectors)
    norms = np.linalg.norm(raw, axis=1)
    usable = np.isfinite(norms) & (norms > 0)
    norms[~usable] = 0
    raw[~usable] = 0
    raw /= np.where(usable, norms, 1)[:, None]
    return raw, norms


def embedding_set(
    recogniser: Recogniser,
    sample_ids: NDArray[np.str_],
    *,
    vectors: NDArray[np.float32],
    norms: NDArray[np.float32],
) -> tuple[EmbeddingSet, list[Failure]]:
    """Name the rows of `embed` and set those without direction aside as failures."""
    usable = norms > 0
    failures = [
        Failure(sample_id, "embed", "zero_embedding", f"{recogniser.name} gives this crop no direction")
        for sample_id in sample_ids[~usable].tolist()
    ]
    return EmbeddingSet(sample_ids[usable], vectors[usable], norms[usable], recogniser.name), failures
