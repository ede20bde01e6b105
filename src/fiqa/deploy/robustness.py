"""How far a score moves under changes that should not move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import finite, rank_correlation, same_length
from ..core.errors import DataError

Change = Literal["landmarks", "jpeg", "mirror"]


@dataclass(frozen=True)
class Sensitivity:
    """Scores after one change against those before it.

    Attributes:
        change: What was done to the crops.
        amount: Standard deviation of the landmark noise in pixels of the 112-pixel crop along each axis, or
            JPEG quality; 0 for the mirror.
        mean_change: Mean absolute change of the score, in standard deviations of the scores before.
        mean_points: Mean absolute change of the 0 to 100 points; None for a method without a scale.
        spearman: Rank correlation of the scores before and after, in [-1, 1]; None where all scores after are
            equal.
    """

    change: Change
    amount: float
    mean_change: float
    mean_points: float | None
    spearman: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def sensitivity(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    *,
    change: Change,
    amount: float = 0.0,
    points: Callable[[NDArray[np.floating]], NDArray[np.int64]] | None = None,
) -> Sensitivity:
    """Compare native scores (n,) of the same crops before and after a change.

    Args:
        before: Scores of the crops as they were.
        after: Scores of the changed crops.
        change: What was done.
        amount: How much of it.
        points: Native scores to 0 to 100 points.

    Raises:
        DataError: If a score is not finite, or all scores before are equal.
    """
    same_length(before=before, after=after)
    before, after = finite("scores before", before), finite("scores after", after)
    spread = float(before.std()) if len(before) else 0.0
    if not spread:
        raise DataError(
            f"the {len(before)} scores before the {change} are all equal; give more varied photos"
        )
    moved = None if points is None else float(np.abs(points(after) - points(before)).mean())
    size = float(np.abs(after - before).mean()) / spread
    return Sensitivity(change, amount, size, moved, rank_correlation(before, after))
