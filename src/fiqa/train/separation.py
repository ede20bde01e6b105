"""Separation: a useful image lies near its own subject and far from any other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..comparisons.subjects import mean_mated_similarity, nearest_other_similarity, subject_sums
from ..core.arrays import mean_ranks
from ..core.errors import DataError


def separations(
    vectors: NDArray[np.floating], codes: NDArray[np.int64], originals: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean similarity to the subject's other crops - highest similarity to the centre of another subject.

    Compared is with crops as they are: neither a degraded variant nor the crop that it shows takes part, so
    that no image gains from being like itself.

    Args:
        vectors: (n, d) embeddings of crops and of their variants, of any length above 0.
        codes: (n,) subject of each, 0 to n_subjects - 1, each subject with a crop as it is.
        originals: (n,) row of the crop that each is a variant of; of a crop as it is its own row.

    Returns:
        (n,) in [-2, 2], higher = more useful; NaN where the subject has no other crop.

    Raises:
        DataError: If there is one subject alone, or none has two crops.

    Source:
        The two parts are those of CR-FIQA (Boutros et al., CVPR 2023, arXiv 2112.06592, eqs. 4 to 7), which
        divides them; SDD-FIQA (Ou et al., CVPR 2021, arXiv 2103.05977) sets distributions of mated and
        non-mated similarities apart as well.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    crops = np.unique(originals)
    sums, sizes = subject_sums(units[crops], codes[crops]), np.bincount(codes[crops])
    rows = np.flatnonzero(sizes[codes] > 1)
    if not len(rows):
        raise DataError("separation needs a subject with at least two crops")
    mated = mean_mated_similarity(units, codes, sums=sums, sizes=sizes, rows=rows, originals=originals)
    apart = np.full(len(units), np.nan)
    apart[rows] = mated - nearest_other_similarity(units, codes, sums=sums, rows=rows)
    return apart


def ranks_moved(
    scores: NDArray[np.floating], apart: NDArray[np.float64], *, share: float
) -> NDArray[np.float64]:
    """(1 - share) x rank of the score + share x rank of the separation, both in [0, 1].

    Args:
        scores: (n,), n at least 2.
        apart: (n,) of `separations`; where it is NaN the rank of the score stays.
        share: In [0, 1].
    """
    ranks = mean_ranks(scores) / (len(scores) - 1)
    known = np.isfinite(apart)
    towards = mean_ranks(apart[known]) / (known.sum() - 1)
    ranks[known] += share * (towards - ranks[known])
    return ranks
