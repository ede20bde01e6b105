"""Faces of one person over the frames of a shot, and where a shot ends.

A face continues the track whose last box it overlaps most, over all faces of the frame together. Detections
come at every frame, so boxes of one face overlap and no model of motion is needed.

Source: Bochinski, Eiselein, Sikora, High-speed tracking-by-detection without using image information, AVSS
2017, doi:10.1109/AVSS.2017.8078516; the assignment is optimal instead of greedy.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.optional import require

_THUMBNAIL = (32, 32)
CUT = 12.0
"""Grey levels of 0 to 255 by which the small pictures of two frames differ, more than before, at a cut."""


class Tracker:
    """Numbers the faces of a shot, frame by frame."""

    def __init__(self, *, min_overlap: float = 0.3, max_gap: float = 1.0) -> None:
        """Start without tracks.

        Args:
            min_overlap: Least intersection over union, in (0, 1], of boxes of one face.
            max_gap: Seconds for which a face may be out of sight.

        Raises:
            SettingsError: If a setting is out of range.
        """
        if not 0 < min_overlap <= 1 or not max_gap >= 0:
            raise SettingsError(
                f"a tracker needs min_overlap in (0, 1] and max_gap >= 0, got {min_overlap} and {max_gap}"
            )
        self.min_overlap, self.max_gap = min_overlap, max_gap
        self._count = 0
        self._last: dict[int, tuple[NDArray[np.floating], float]] = {}

    def update(self, boxes: NDArray[np.floating], seconds: float) -> tuple[list[int], list[int]]:
        """Take the faces of the next frame.

        Args:
            boxes: (k, 4) left, top, width, height.
            seconds: Time of the frame.

        Returns:
            The track of each face, numbered from 1 in order of appearance, and the tracks that have ended.
        """
        ended = [track for track, (_, seen) in self._last.items() if seconds - seen > self.max_gap]
        for track in ended:
            del self._last[track]
        tracks = list(self._last)
        overlaps = overlap(boxes, np.array([self._last[track][0] for track in tracks]).reshape(-1, 4))
        assign = require("scipy.optimize", extra="video", purpose="follow faces").linear_sum_assignment
        numbers = [0] * len(boxes)
        for face, place in zip(*assign(overlaps, maximize=True), strict=True):
            if overlaps[face, place] >= self.min_overlap:
                numbers[face] = tracks[place]
        for face, box in enumerate(boxes):
            if not numbers[face]:
                self._count += 1
                numbers[face] = self._count
            self._last[numbers[face]] = box, seconds
        return numbers, ended

    def flush(self) -> list[int]:
        """End all tracks, as a cut and the end of the video do; those that were open."""
        tracks = list(self._last)
        self._last.clear()
        return tracks


class Cuts:
    """Tells, frame by frame, where one shot ends and another begins.

    A frame cuts where it differs from the one before by `CUT` grey levels in the mean over a small picture,
    and by as much more than that one differed from its own predecessor: so neither steady motion nor a
    flickering light cuts. This is how the scene score of FFmpeg is formed.
    """

    def __init__(self) -> None:
        self._small: NDArray[np.float32] | None = None
        self._change = 0.0

    def __call__(self, image: NDArray[np.uint8]) -> bool:
        """Whether a new shot begins with this uint8 RGB frame (height, width, 3); never with the first."""
        small = cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA).mean(axis=2, dtype=np.float32)
        before, self._small = self._small, small
        change = 0.0 if before is None else float(np.abs(small - before).mean())
        rise, self._change = change - self._change, change
        return min(change, rise) >= CUT


def overlap(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4) of left, top, width, height; 0 if empty."""
    one, other = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., :2] + one[..., 2:], other[..., :2] + other[..., 2:])
    shared = (high - low).clip(0).prod(axis=-1)
    union = one[..., 2:].prod(axis=-1) + other[..., 2:].prod(axis=-1) - shared
    share: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share
