"""Side views and other tones out of crops: stand-ins for photographs that a set lacks, not to test on."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .align import landmark_template, similarity

Image = NDArray[np.uint8]

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
_CENTRE, _HALF_WIDTH, _HALF_HEIGHT, _DEPTH = (0.5, 0.58), 0.40, 0.68, 0.45
"""Of a head, seen as half an ellipsoid, in an aligned crop of side 1."""
_NOSE, _NOSE_WIDTH, _NOSE_TIP, _NOSE_ABOVE, _NOSE_BELOW = 0.055, 0.045, 0.04, 0.13, 0.045
"""How far it stands out, its width, its tip below the centre, its lengths above and below the tip."""
_NOISE = 0.015
"""Standard deviation of the landmarks of a face that is turned, as a share of the side."""
_BLUR = 0.06
"""Of what goes on beyond the crop, as a share of the side."""


def turned(image: Image, *, yaw: float, rng: np.random.Generator) -> Image:
    """The face turned to a side about the upright axis of its head, and aligned anew.

    The head is half an ellipsoid with a nose; each row shows that part of it which is then in front. What was
    beside the head stays beside it, and where the crop ends a blur of its mirror image goes on. The crop is
    cut again by the landmarks, which turn with the surface and are found with some error.

    Args:
        image: (side, side, 3) uint8 RGB, a crop aligned as for ArcFace.
        yaw: Whole degrees in [-90, 90], others are rounded; positive shows the cheek on the left of the crop.
        rng: Draws the error of the landmarks, a standard deviation of 0.015 of the side.
    """
    if yaw < 0:
        return np.ascontiguousarray(turned(image[:, ::-1], yaw=-yaw, rng=rng)[:, ::-1])
    side = image.shape[0]
    columns, landmarks = _side_view(round(yaw), side)
    found = landmarks + rng.normal(0, _NOISE * side, landmarks.shape)
    back = cv2.invertAffineTransform(similarity(found, landmark_template("arcface", side)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=2).astype(np.float32)
    x, y = cv2.split(cv2.transform(grid, back))
    columns = cv2.remap(columns, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    columns += x - x.clip(0, side - 1)
    sharp, blurred = (
        cv2.remap(picture, columns, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for picture in (image, cv2.GaussianBlur(image, (0, 0), _BLUR * side))
    )
    outside = (columns < 0) | (columns > side - 1)
    view: Image = np.where(outside[..., None], blurred, sharp)
    return view


@cache
def _side_view(yaw: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Which column of the frontal crop each pixel (side, side) shows, and where the landmarks (5, 2) are."""
    cos, sin = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    marks = (landmark_template("arcface", side) + 0.5) / side - _CENTRE
    across = marks[:, 0] * cos + _depth(*marks.T) * sin
    moved = across.mean() - marks[:, 0].mean()
    places = (np.arange(side) + 0.5) / side
    columns = np.empty((side, side), np.float32)
    target = places - _CENTRE[0] + moved
    for row, y in enumerate(places - _CENTRE[1]):
        half = _HALF_WIDTH * np.sqrt(1 - (y / _HALF_HEIGHT) ** 2)
        x = np.linspace(-half, half, 4 * side)
        seen = np.maximum.accumulate(x * cos + _depth(x, y) * sin)
        beside = np.minimum(target - seen[0], 0) + np.maximum(target - seen[-1], 0)
        columns[row] = np.interp(target, seen, x) + beside
    landmarks = np.stack([across - moved, marks[:, 1]], axis=1) + _CENTRE
    return (columns + np.float32(_CENTRE[0])) * side - np.float32(0.5), landmarks * side - 0.5


def _depth(x: NDArray[np.float64], y: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """How far the surface of a head stands out at places relative to its centre, as shares of the side."""
    head = _DEPTH * np.sqrt(np.maximum(1 - (x / _HALF_WIDTH) ** 2 - (y / _HALF_HEIGHT) ** 2, 0))
    below = y - _NOSE_TIP
    length = np.where(below > 0, _NOSE_BELOW, _NOSE_ABOVE)
    nose: NDArray[np.float64] = _NOSE * np.exp(-((x / _NOSE_WIDTH) ** 2) - (below / length) ** 2)
    return head + nose


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
