"""Alignment: the similarity transform that brings five landmarks onto a template, and the crop it cuts."""

from __future__ import annotations

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError

Crop = Literal["arcface", "dlib"]

ARCFACE_TEMPLATE = np.array(
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
)
"""Landmarks in the 112-pixel crop (Deng et al. 2019, arXiv 1801.07698, as released by InsightFace)."""

_DLIB_BOX = np.array(
    (
        (0.225492, 0.215990),
        (0.754761, 0.215990),
        (0.490127, 0.515625),
        (0.254149, 0.780233),
        (0.726104, 0.780233),
    )
)
DLIB_TEMPLATE = (_DLIB_BOX + 0.25) / 1.5 * 150
"""Landmarks in the 150-pixel dlib chip: fractions of a face box that is padded by a quarter on each side."""

_TEMPLATES = {"arcface": (ARCFACE_TEMPLATE, 112), "dlib": (DLIB_TEMPLATE, 150)}
_MAX_SUPERSAMPLING = 16


class Alignment(NamedTuple):
    """An aligned face.

    Attributes:
        crop: (size, size, 3) uint8 RGB.
        matrix: (2, 3) float64; maps x, y, 1 of the photograph to x, y of the crop; pixel centres lie at
            integers.
        source_scale: Photograph pixels per crop pixel; below 1 the crop was magnified.
    """

    crop: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    source_scale: float


def crop_size(crop: Crop) -> int:
    """Side in pixels of a convention's own crop; an unknown convention is a SettingsError."""
    if crop not in _TEMPLATES:
        raise SettingsError(f"crop must be one of {', '.join(_TEMPLATES)}, got {crop!r}")
    return _TEMPLATES[crop][1]


def landmark_template(crop: Crop, size: int | None = None) -> NDArray[np.float64]:
    """Where (5, 2) a crop's landmarks lie, x and y in pixels, ordered as in `Face`.

    Args:
        crop: Alignment convention; an unknown one is a SettingsError.
        size: Side of the crop; None takes the convention's own (112 or 150), others scale the template.
    """
    own = crop_size(crop)
    return _TEMPLATES[crop][0] * ((size or own) / own)


def align(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.floating],
    *,
    crop: Crop = "arcface",
    size: int | None = None,
) -> Alignment:
    """Cut the aligned crop of one face; what lies outside the photograph is black.

    The crop is sampled bilinearly, as for the training of the recognisers. Where the photograph is larger
    than the crop by a factor of 1.5 or more, bilinear sampling would skip pixels and alias: then each crop
    pixel is the mean of k x k bilinear samples, k being the factor rounded (16 at most).

    Args:
        image: uint8 RGB (height, width, 3).
        landmarks: (5, 2) x, y in image pixels, ordered as in `Face`.
        crop: Alignment convention.
        size: Side of the crop; None takes the convention's own (112 or 150), others scale the template.

    Raises:
        DataError: If the landmarks are not finite or all in one place.
        SettingsError: If the convention is unknown.
    """
    size = size or crop_size(crop)
    matrix = similarity(landmarks, landmark_template(crop, size))
    source_scale = float(1.0 / np.hypot(matrix[0, 0], matrix[1, 0]))
    samples = int(np.clip(np.rint(source_scale), 1, _MAX_SUPERSAMPLING))
    fine = matrix * samples
    fine[:, 2] += (samples - 1) / 2
    cut = cv2.warpAffine(image, fine, (size * samples, size * samples), flags=cv2.INTER_LINEAR)
    if samples > 1:
        cut = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA)
    return Alignment(cut, matrix, source_scale)


def similarity(points: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotation, uniform scale and shift (2, 3) with the least squared error from points to targets.

    Without reflection the plane's similarities are z -> a z + b over the complex numbers, and least squares
    gives a = sum(conj(z') w') / sum(|z'|^2) for centred z', w' (Umeyama 1991, doi:10.1109/34.88573, in two
    dimensions).

    Raises:
        DataError: If the points are not (n, 2) finite coordinates, or all in one place.
    """
    points = np.asarray(points, np.float64)
    if points.shape != targets.shape or not np.isfinite(points).all():
        raise DataError(f"landmarks must be finite and of shape {targets.shape}, got {points.tolist()}")
    z, w = points @ (1, 1j), targets @ (1, 1j)
    centred = z - z.mean()
    spread = np.vdot(centred, centred).real
    if spread == 0:
        raise DataError(f"landmarks lie in one place, {points[0].tolist()}; there is nothing to align")
    a = np.vdot(centred, w - w.mean()) / spread
    if a == 0:
        raise DataError(
            f"landmarks {points.tolist()} do not have the shape of a face; there is no best rotation"
        )
    b = w.mean() - a * z.mean()
    return np.array(((a.real, -a.imag, b.real), (a.imag, a.real, b.imag)))


def transform(matrix: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Points (n, 2) after an affine map (2, 3)."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
