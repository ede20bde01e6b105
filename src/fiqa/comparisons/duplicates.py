"""Images of one subject that show the same moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .partition import Partition
from .vectors import UnitVectors

SIMILAR = 0.9
"""Cosine at which two images of one subject are taken for copies of one; see docs/curate.md."""
_ROUNDING = 1e-6
"""By which the cosine of a unit vector of float32 with itself may miss 1."""


def near_duplicates(
    embeddings: EmbeddingSet, samples: SampleSet, scores: QualityScores, *, threshold: float = SIMILAR
) -> NDArray[np.int64]:
    """Which better image of the same subject each sample repeats.

    From the best image of a subject down (of equal scores the earlier first), each that repeats none stays,
    and those below it that reach the threshold with it are its copies: a copy of a copy stays where it does
    not reach the threshold with an image that stays.

    Args:
        embeddings: Of the samples, in any order.
        samples: (n,) samples and their subjects.
        scores: Of the samples, in any order.
        threshold: Cosine in (0, 1], or above 1 to find none.

    Returns:
        (n,) row of the image that stays, -1 where a sample repeats none.

    Raises:
        SettingsError: If the threshold is not above 0.
        DataError: If a sample has no embedding or score.
    """
    if not threshold > 0:
        raise SettingsError(f"near-duplicates need a cosine above 0, got {threshold}")
    least = threshold - _ROUNDING if threshold <= 1 else np.inf
    quality = scores.at(samples.sample_ids)
    vectors = UnitVectors(embeddings.at(samples.sample_ids).vectors)
    layout = Partition.of(samples.subject_codes(), np.zeros(len(samples), np.int64))
    found = np.full(len(samples), -1)
    for start, end in zip(layout.subject_starts[:-1], layout.subject_starts[1:], strict=True):
        rows = layout.rows[start:end]
        rows = rows[np.argsort(-quality[rows], kind="stable")]
        block = vectors.read(rows)
        for place, row in enumerate(rows[:-1]):
            if found[row] < 0:
                later = rows[place + 1 :]
                close = (block[place + 1 :] @ block[place] >= least) & (found[later] < 0)
                found[later[close]] = row
    return found
