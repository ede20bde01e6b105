"""Occlusion sweep: what happens to the score when a place is hidden. Any method will do."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..core.protocols import QualityMethod
from ..core.types import FaceCrops
from ..methods.bounds import one_of, whole

Fill = Literal["mean", "grey"]
_AT_ONCE = 64


def occlusion_map(
    method: QualityMethod,
    crop: FaceCrops,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: Fill = "mean",
) -> NDArray[np.float64]:
    """Mean change of the score over all patches that hide a pixel.

    A square patch of one colour moves over the crop, at every multiple of the stride and flush with the far
    edges, so that each pixel is hidden at least once. With s the score and s(P) that of the crop with patch
    P, the map is the mean of s(P) - s over the patches P that hide the pixel:

    * **below 0** the place carries quality: without it the score is lower;
    * **about 0** it carries none: background, or a part of the face that is covered or burnt out;
    * **above 0** quality is lost there: what can be seen is worse than nothing.

    Landmarks and source scale stay those of the crop.

    Args:
        method: Scores the crops.
        crop: One crop as the method wants it.
        patch: Side of the patch in pixels; None takes 3/14 of the crop's, which is 24 of 112.
        stride: Step in pixels, at most the patch; None takes 1/14 of the crop's side.
        fill: Colour of the patch, the mean of the crop or middle grey. The mean stays closest to what the
            crop shows, and tells least of itself.

    Returns:
        (size, size), in units of the score.

    Raises:
        DataError: If there is not exactly one crop, or it has another size than the method wants.
        SettingsError: If patch, stride or fill are out of range.

    Source:
        Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, arXiv 1311.2901.
    """
    if len(crop) != 1:
        raise DataError(f"a map is made of one crop, got {len(crop)}")
    method.spec.check(crop.images)
    size = method.spec.size
    patch = whole("patch", max(1, 3 * size // 14) if patch is None else patch)
    stride = whole("stride", min(patch, max(1, size // 14)) if stride is None else stride)
    if not stride <= patch <= size:
        raise SettingsError(f"stride <= patch <= {size} must hold, got stride {stride} and patch {patch}")
    grey = one_of("fill", fill, ("mean", "grey")) == "grey"
    colour = np.uint8(128) if grey else np.rint(crop.images.mean(axis=(0, 1, 2))).astype(np.uint8)
    starts = [*range(0, size - patch, stride), size - patch]
    places = [np.s_[top : top + patch, left : left + patch] for top in starts for left in starts]
    changes = _scores(method, crop, places, colour) - method.score(crop)[0]
    total, count = np.zeros((size, size)), np.zeros((size, size))
    for place, change in zip(places, changes, strict=True):
        total[place] += change
        count[place] += 1
    mean: NDArray[np.float64] = total / count
    return mean


def _scores(
    method: QualityMethod,
    crop: FaceCrops,
    places: list[tuple[slice, slice]],
    colour: NDArray[np.uint8] | np.uint8,
) -> NDArray[np.float64]:
    """Score of the crop with each of these places hidden."""
    scores = []
    for start in range(0, len(places), _AT_ONCE):
        hidden = places[start : start + _AT_ONCE]
        rows = crop.rows(np.zeros(len(hidden), np.int64))
        images = rows.images.copy()
        for image, place in zip(images, hidden, strict=True):
            image[place] = colour
        scores.append(method.score(FaceCrops(images, rows.landmarks, rows.source_scale)))
    return np.concatenate(scores)
