"""Subjects as the sums of their vectors, and how near samples lie to their own and to the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError

BLOCK_ROWS = 16_384
_BLOCK_VALUES = 16 * 2**20


def subject_sums(vectors: NDArray[np.floating], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum of the vectors of each subject (n_subjects, d), read in blocks."""
    sums = np.zeros((codes.max() + 1, vectors.shape[1]))
    for start in range(0, len(codes), BLOCK_ROWS):
        order = np.argsort(codes[start : start + BLOCK_ROWS], kind="stable")
        subjects, firsts = np.unique(codes[start : start + BLOCK_ROWS][order], return_index=True)
        block = np.asarray(vectors[start : start + BLOCK_ROWS], dtype=np.float64)[order]
        sums[subjects] += np.add.reduceat(block, firsts, axis=0)
    return sums


def mean_mated_similarity(
    vectors: NDArray[np.floating],
    codes: NDArray[np.int64],
    *,
    sums: NDArray[np.float64],
    sizes: NDArray[np.int64],
    rows: NDArray[np.int64],
    originals: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Mean cosine similarity of these rows to the other samples of their subjects, in [-1, 1].

    Args:
        vectors: (n, d) of unit length.
        codes: (n,) subject of each.
        sums: (n_subjects, d) of the vectors compared with, as `subject_sums` gives them.
        sizes: (n_subjects,) how many these are.
        rows: (m,) samples to compare, read in blocks; their subjects have two samples or more.
        originals: (n,) row of the sample to leave out for each; by default itself.
    """
    means = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        vector = np.asarray(vectors[block], dtype=np.float64)
        own = vector if originals is None else vectors[originals[block]]
        mated = np.einsum("nd,nd->n", vector, sums[codes[block]] - own)
        means[start : start + BLOCK_ROWS] = mated / (sizes[codes[block]] - 1)
    return means


def nearest_other_similarity(
    vectors: NDArray[np.floating],
    codes: NDArray[np.int64],
    *,
    sums: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Highest cosine similarity of these rows to the centre of any other subject, in [-1, 1].

    Args:
        vectors: (n, d) of unit length.
        codes: (n,) subject of each.
        sums: (n_subjects, d) of the vectors that make the centres, as `subject_sums` gives them.
        rows: (m,) samples to compare, read in blocks.

    Returns:
        (m,) similarities.

    Raises:
        DataError: If there is one subject alone.
    """
    if len(sums) < 2:
        raise DataError("how near another subject is takes samples of at least two subjects")
    centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    table = np.ascontiguousarray(centres.T, dtype=np.float32)
    nearest = np.empty(len(rows))
    block_rows = max(1, _BLOCK_VALUES // len(centres))
    for start in range(0, len(rows), block_rows):
        block = rows[start : start + block_rows]
        similarity = np.asarray(vectors[block], dtype=np.float32) @ table
        similarity[np.arange(len(block)), codes[block]] = -np.inf
        nearest[start : start + block_rows] = similarity.max(axis=1)
    return nearest
