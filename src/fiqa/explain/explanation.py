"""Everything that is said of one face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reasons import LEVELS, Reason, reasons

_CELLS = 14


@dataclass(frozen=True, eq=False)
class Explanation:
    """Score, maps and reasons of one face.

    Attributes:
        sample_id: Names the face.
        method: Name of the method, and of the recogniser where it has one.
        score: Quality, higher = more useful.
        meaning: What the score means, ``score100`` first, where the method has a scale; else empty.
        photo: (height, width, 3) uint8 RGB.
        box: (4,) left, top, width, height of the face in the photograph.
        landmarks: (5, 2) x, y in the photograph.
        crop: (size, size, 3) uint8 RGB, what the method saw.
        occlusion: (size, size) change of the score where a place is hidden (see `occlusion_map`).
        gradient: (size, size) weight of each pixel (see `gradient_map`), or None.
        factors: Value of each factor (see `fiqa.explain.factors`).
    """

    sample_id: str
    method: str
    score: float
    meaning: Mapping[str, float]
    photo: NDArray[np.uint8]
    box: NDArray[np.floating]
    landmarks: NDArray[np.floating]
    crop: NDArray[np.uint8]
    occlusion: NDArray[np.float64]
    gradient: NDArray[np.float64] | None
    factors: Mapping[str, float]

    @property
    def reasons(self) -> list[Reason]:
        """What stands out, worst first."""
        return reasons(self.factors)

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values; maps come as means over a grid of 14 x 14 cells, row by row."""
        maps = {"occlusion": self.occlusion, "gradient": self.gradient}
        return {
            "sample_id": self.sample_id,
            "method": self.method,
            "score": self.score,
            **self.meaning,
            "reasons": [asdict(reason) for reason in self.reasons],
            "factors": {
                row.factor: {"value": self.factors[row.factor], "usual": row.usual, "level": row.level}
                for row in LEVELS
            },
            "box": np.asarray(self.box, np.float64).tolist(),
            "landmarks": np.asarray(self.landmarks, np.float64).tolist(),
            **{
                name: None if values is None else cells(values, _CELLS).tolist()
                for name, values in maps.items()
            },
        }


def cells(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Means (count, count) over cells of a square map; sides of cells differ by a pixel at most."""
    starts = np.arange(count) * len(values) // count
    sums = np.add.reduceat(np.add.reduceat(values, starts, axis=0), starts, axis=1)
    sides = np.diff(np.append(starts, len(values)))
    means: NDArray[np.float64] = sums / np.outer(sides, sides)
    return means
