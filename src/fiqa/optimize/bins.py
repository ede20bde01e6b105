"""Similarities counted in narrow bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..comparisons.compiled import compiled

BINS = 1 << 16
"""Bins of equal width over similarities in [-1, 1]."""
_COARSE = 256


@compiled
def bin_of(similarity: np.float32) -> int:
    """Bin 0..BINS-1 of a similarity; lower end included, rounding beyond -1 or 1 goes to the last bins."""
    half = np.float32(BINS // 2)
    return min(max(int((similarity + np.float32(1.0)) * half), 0), BINS - 1)


@compiled
def count_similarities(similarity: NDArray[np.float32], counts: NDArray[np.int64]) -> None:
    """Add similarities (p,) to counts (BINS,)."""
    for p in range(len(similarity)):
        counts[bin_of(similarity[p])] += 1


def coarse(counts: NDArray[np.number]) -> NDArray[np.float64]:
    """Counts (..., BINS) in 256 wider bins."""
    blocks = counts.astype(np.float64).reshape(*counts.shape[:-1], _COARSE, -1)
    wider: NDArray[np.float64] = blocks.sum(axis=-1)
    return wider
