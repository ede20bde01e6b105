"""The best frames of one face in a video, found while it runs, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError

_SLOTS = 4
"""Slots a distance."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One look at a face.

    Attributes:
        frame: Number of the frame.
        seconds: Its time.
        crop: (size, size, 3) uint8 RGB, aligned.
        score: Quality, higher = more useful.
        columns: What else a table should say of it.
    """

    frame: int
    seconds: float
    crop: NDArray[np.uint8]
    score: float
    columns: dict[str, Any]


class BestShots:
    """The best looks at one face that lie apart in time.

    Time is cut into slots of a quarter of the least distance, and the best look of each slot is a candidate
    (of equal ones the earlier). Candidates are then taken from the best down, each that lies at least the
    distance from all taken before. A taken one stands in the way of at most four slots on either side, so the
    best 9 k candidates tell the best k, and no more are kept.

    Attributes:
        seen: Looks taken so far.
        first: Time of the first, in seconds.
        last: Time of the last.
        mean: Mean score of all.
    """

    def __init__(self, k: int, *, distance: float) -> None:
        """Start without a look.

        Args:
            k: How many to find.
            distance: Least seconds between two of them; 0 lets any two frames stand together.

        Raises:
            SettingsError: If a setting is out of range.
        """
        if k < 1 or not distance >= 0:
            raise SettingsError(
                f"best shots need k of 1 or more and a distance of 0 or more, got {k}, {distance}"
            )
        self.k, self.distance = k, distance
        self.seen, self.first, self.last, self.mean = 0, 0.0, 0.0, 0.0
        self._candidates: dict[int, Shot] = {}

    def offer(self, shot: Shot) -> None:
        """Take the next look; times do not fall."""
        if not self.seen:
            self.first = shot.seconds
        self.seen, self.last = self.seen + 1, shot.seconds
        self.mean += (shot.score - self.mean) / self.seen
        slot = int(_SLOTS * shot.seconds / self.distance) if self.distance else shot.frame
        rival = self._candidates.get(slot)
        if rival is None or shot.score > rival.score:
            self._candidates[slot] = shot
        if len(self._candidates) > (2 * _SLOTS + 1) * self.k:
            del self._candidates[min(self._candidates, key=lambda one: _rank(self._candidates[one]))]

    def best(self) -> list[Shot]:
        """At most k looks, the best first."""
        taken: list[Shot] = []
        for shot in sorted(self._candidates.values(), key=_rank, reverse=True):
            if len(taken) < self.k and all(
                abs(shot.seconds - other.seconds) >= self.distance for other in taken
            ):
                taken.append(shot)
        return taken


def _rank(shot: Shot) -> tuple[float, float]:
    """Order of preference: the score, then the earlier one."""
    return shot.score, -shot.seconds
