"""One photograph to its aligned crops: detect, choose, align."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..core.types import FaceCrops, Failure
from .align import Crop, align, crop_size, transform
from .choose import Policy, choose
from .detect import Detector, Face, check_image

_MIN_SIDE = 16
"""Pixels; nobody can be recognised in a photograph with a shorter side."""


@dataclass(frozen=True, eq=False)
class Extraction:
    """What came out of one photograph.

    Attributes:
        crops: One aligned crop a face, the primary face first, with landmarks and source scale; none where
            there is a failure.
        faces: The faces in the same order, in pixels of the photograph.
        failure: Why there is no crop, or None.
    """

    crops: FaceCrops
    faces: tuple[Face, ...] = ()
    failure: Failure | None = None

    @classmethod
    def failed(cls, failure: Failure, *, size: int) -> Self:
        """No crop of `size` pixels, and why."""
        return cls(FaceCrops(np.empty((0, size, size, 3), np.uint8)), failure=failure)


def extract(
    image: NDArray[np.uint8],
    detector: Detector,
    *,
    sample_id: str,
    crop: Crop = "arcface",
    size: int | None = None,
    face: Policy = "largest",
    strict: bool = False,
) -> Extraction:
    """Crop the faces of one photograph.

    Args:
        image: uint8 RGB (height, width, 3).
        detector: Finds the faces.
        sample_id: Names the photograph in a failure.
        crop: Alignment convention.
        size: Side of the crops in pixels; None takes the convention's own.
        face: Which faces are meant (see `choose`).
        strict: Whether several faces where one is meant are a failure (``several_faces``). Without it the
            others are passed over.

    Raises:
        DataError: If the image is not uint8 RGB.
        SettingsError: If the convention or the policy is unknown.
    """
    size = size or crop_size(crop)
    height, width = check_image(image)
    if min(height, width) < _MIN_SIDE:
        message = f"expected sides of {_MIN_SIDE} pixels or more, got {width} x {height}"
        return Extraction.failed(Failure(sample_id, "crop", "too_small", message), size=size)
    found = detector.detect(image)
    faces = choose(found, image.shape, policy=face)
    if not faces:
        message = f"no face of confidence {detector.min_confidence} or more"
        return Extraction.failed(Failure(sample_id, "crop", "no_face", message), size=size)
    if strict and face != "all" and len(found) > 1:
        message = f"{len(found)} faces where one is meant"
        return Extraction.failed(Failure(sample_id, "crop", "several_faces", message), size=size)
    crops = cut_out(image, [item.landmarks for item in faces], crop=crop, size=size)
    return Extraction(crops, tuple(faces))


def cut_out(
    image: NDArray[np.uint8], landmarks: Sequence[NDArray[np.floating]], *, crop: Crop, size: int
) -> FaceCrops:
    """Aligned crops of faces at known landmarks, (5, 2) each; see `align`."""
    aligned = [align(image, points, crop=crop, size=size) for points in landmarks]
    return FaceCrops(
        np.stack([item.crop for item in aligned]),
        np.stack([transform(cut.matrix, points) for cut, points in zip(aligned, landmarks, strict=True)]),
        np.array([item.source_scale for item in aligned], np.float32),
    )
