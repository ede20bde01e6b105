"""What a native score means: 0 to 100, and its place among the scores of a reference set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import finite
from ..core.calibration import Percentiles
from ..core.errors import DataError

ANCHORS = ((1.0, 0), (25.0, 25), (50.0, 50), (75.0, 75), (99.0, 100))
"""Percentile of the reference scores, and the points that a score at it is given."""


@dataclass(frozen=True, eq=False)
class Scale:
    """A monotone map of native scores to whole points from 0 to 100, higher = more useful.

    Between two anchors the map is a straight line, rounded to the nearest whole number (halves up); below the
    first anchor it is 0, above the last 100. The anchors are percentiles of a reference set, so 50 is its
    median, and both ends are robust to a single odd image.

    Attributes:
        reference: Name of the reference set.
        n_samples: Its samples.
        scores: (k,) native scores of the anchors, strictly rising.
        points: (k,) their points, strictly rising from 0 to 100.
        percentiles: Where a score stands among the reference samples.

    Source:
        ISO/IEC 29794-1 for whole quality values from 0 to 100; the anchors are our own choice.
    """

    reference: str
    n_samples: int
    scores: NDArray[np.floating]
    points: NDArray[np.floating]
    percentiles: Percentiles

    def __post_init__(self) -> None:
        for name in ("scores", "points"):
            object.__setattr__(self, name, finite(f"{name} of the anchors", getattr(self, name)))
        ends = self.points[[0, -1]].tolist() if len(self.points) else []
        rising = all(np.all(np.diff(column) > 0) for column in (self.scores, self.points))
        if len(self.scores) != len(self.points) or ends != [0, 100] or not rising:
            raise DataError(
                "anchors of a scale must rise in score and in points, from 0 to 100 points, got scores "
                f"{self.scores.tolist()} and points {self.points.tolist()}"
            )

    @classmethod
    def of(cls, values: ArrayLike, *, reference: str) -> Self:
        """The scale whose anchors are the percentiles `ANCHORS` of reference scores (n,).

        Raises:
            DataError: If the scores are not finite, or too many of them are equal to tell the anchors apart.
        """
        scores = finite("reference scores", values)
        percents, points = np.array(ANCHORS).T
        anchors = np.percentile(scores, percents) if len(scores) else np.zeros(0)
        if not len(scores) or np.any(np.diff(anchors) <= 0):
            raise DataError(
                f"the {len(scores)} scores of {reference} cannot anchor a scale: their percentiles "
                f"{', '.join(f'{percent:g}' for percent in percents)} must differ; give a more varied set"
            )
        table = np.unique(np.percentile(scores, np.arange(101), method="lower"))
        return cls(reference, len(scores), anchors, points, Percentiles.of(scores, at=table))

    def score100(self, scores: ArrayLike) -> NDArray[np.int64]:
        """(n,) whole points in [0, 100] of native scores (n,)."""
        exact = np.interp(finite("scores", np.atleast_1d(scores)), self.scores, self.points)
        points: NDArray[np.int64] = np.floor(exact + 0.5).astype(np.int64)
        return points

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "reference": self.reference,
            "n_samples": self.n_samples,
            "direction": "higher = more useful",
            "anchors": [
                {"score": score, "points": point}
                for score, point in zip(self.scores.tolist(), self.points.tolist(), strict=True)
            ],
            "percentiles": self.percentiles.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            DataError: If a key is missing or a value malformed.
        """
        try:
            scores, points = (
                np.array([one[key] for one in values["anchors"]]) for key in ("score", "points")
            )
            percentiles = Percentiles(**values["percentiles"])
            return cls(values["reference"], int(values["n_samples"]), scores, points, percentiles)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the scale is malformed: {error!r}") from error
