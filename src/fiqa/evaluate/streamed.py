"""The error-versus-discard characteristic of comparisons that come in blocks and are not kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import finite, from_top
from ..core.errors import DataError
from ..core.types import QualityScores
from .conventions import ISO
from .edc import EdcCurve


class StreamedEdc:
    """Counts mated comparisons, and errors among them, by the rank of their worse sample.

    The curve is that of `edc.edc` with the convention ``iso`` at a given threshold (from
    `non_mated.threshold_among_blocks`, say). Memory grows with the number of distinct scores, not with the
    comparisons; time is linear. A pair that comes twice counts twice: nothing is kept to tell.

    Args:
        quality: Scores of the samples, which blocks name by their row.
        threshold: Accept when similarity >= threshold.
        recogniser: Name of the recogniser.
    """

    def __init__(self, quality: QualityScores, *, threshold: float, recogniser: str) -> None:
        distinct, self._ranks = np.unique(quality.values, return_inverse=True)
        if len(distinct) < 2:
            raise DataError(f"all quality scores of {quality.method} are equal: they order nothing")
        self._pairs = np.zeros(len(distinct), dtype=np.int64)
        self._errors = np.zeros(len(distinct), dtype=np.int64)
        self._threshold, self._method, self._recogniser = np.float32(threshold), quality.method, recogniser

    def add(self, first: NDArray[np.integer], second: NDArray[np.integer], similarity: ArrayLike) -> None:
        """Count a block of mated comparisons.

        Args:
            first: (m,) rows of one sample of each pair.
            second: (m,) rows of the other.
            similarity: (m,) taken as float32.

        Raises:
            DataError: If a similarity is not finite.
        """
        wrong = finite("similarity", similarity, dtype=np.float32) < self._threshold
        rank = np.minimum(self._ranks[first], self._ranks[second])
        self._pairs += np.bincount(rank, minlength=len(self._pairs))
        self._errors += np.bincount(rank[wrong], minlength=len(self._errors))

    def curve(self) -> EdcCurve:
        """The characteristic of what was counted; a DataError if that is nothing."""
        met = self._pairs > 0
        if not met.any():
            raise DataError("no mated comparison: the FNMR is undefined")
        kept, errors = (from_top(counts[met]) for counts in (self._pairs, self._errors))
        return EdcCurve(
            discard_fraction=(kept[0] - kept) / kept[0],
            error_rate=errors / kept,
            n_errors=errors,
            n_kept=kept,
            thresholds=np.full(len(kept), self._threshold, dtype=np.float64),
            n_units=int(kept[0]),
            error="fnmr",
            convention=ISO,
            method=self._method,
            recogniser=self._recogniser,
        )
