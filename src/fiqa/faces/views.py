"""Side views and other tones out of crops: stand-ins for photographs that a set lacks, not to test on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
_RADIUS = 0.42
"""Of a head, seen as an upright cylinder, as a share of the crop's side."""


def turned(image: Image, *, yaw: float) -> Image:
    """The face turned to a side, as if it were painted on an upright cylinder.

    What was in front stays in the middle, as alignment to landmarks would have it, and grows narrow; the
    far cheek vanishes behind the edge of the head, and the near one grows wide.

    Args:
        image: (side, side, 3) uint8 RGB, an aligned crop.
        yaw: Degrees in [-90, 90]; positive shows the cheek on the left of the crop. 0 changes nothing but
            what lies beside the head.
    """
    side = image.shape[0]
    radius, centre, angle = _RADIUS * side, (side - 1) / 2, np.radians(yaw)
    across = (np.arange(side) - centre) / radius + np.sin(angle)
    around = np.arcsin(across.clip(-1, 1)) - angle
    beside = np.abs(across) > 1
    flat = np.where(beside, across, np.sin(around.clip(-np.pi / 2, np.pi / 2)))
    columns = np.broadcast_to((centre + radius * flat).astype(np.float32), (side, side))
    rows = np.broadcast_to(np.arange(side, dtype=np.float32)[:, None], (side, side))
    return np.asarray(
        cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def framed(image: Image, *, rng: np.random.Generator) -> Image:
    """The crop as if its photo ended near the face: black beyond up to four edges of a tilted frame.

    Args:
        image: (side, side, 3) uint8 RGB.
        rng: Draws tilt (standard deviation 10 degrees) and, for each edge with probability 1/2, how far it
            reaches in, up to 0.35 of the side.
    """
    side = image.shape[0]
    reach = side * 0.35 * rng.random(4) * (rng.random(4) < 0.5)
    turn = cv2.getRotationMatrix2D(((side - 1) / 2,) * 2, rng.normal(0, 10), 1)
    margin = np.where(reach > 0, reach, -side)
    left, top, right, bottom = margin[0], margin[1], side - margin[2], side - margin[3]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    tilted = cv2.transform(corners[None], turn).round().astype(np.int32)
    inside = np.asarray(cv2.fillConvexPoly(np.zeros((side, side), np.uint8), tilted[0], 1)) > 0
    return np.where(inside[..., None], image, np.uint8(0))


def toned(image: Image, *, rng: np.random.Generator) -> Image:
    """The crop in other tones, as another light, camera or editor would give them.

    Args:
        image: (height, width, 3) uint8 RGB.
        rng: Draws how far colours fade to grey (wholly with probability 1/2, else by a uniform share), an
            exponent of the values between ``2**-0.7`` and ``2**0.7``, a contrast about their mean between
            ``2**-0.5`` and ``2**0.5``, and where colour is left gains of the channels, 2 to the power of
            a normal of standard deviation 0.15.
    """
    fading, exponent, contrast, gains = (
        rng.random(),
        rng.uniform(-0.7, 0.7),
        rng.uniform(-0.5, 0.5),
        rng.normal(0, 0.15, 3),
    )
    values = image.astype(np.float32) / 255
    share = min(2 * fading, 1)
    values += (values @ _LUMA - values.transpose(2, 0, 1)).transpose(1, 2, 0) * np.float32(share)
    values **= np.float32(2**exponent)
    mean = values.mean()
    values = (values - mean) * np.float32(2**contrast) + mean
    if share < 1:
        values *= (2**gains).astype(np.float32)
    return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)
