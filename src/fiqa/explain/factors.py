"""What can be wrong with a face, each as one number that needs no network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import InputSpec
from ..core.types import FaceCrops
from ..methods.classical import blur_effect, frontality, luminance_of

FACTOR_SPEC = InputSpec(size=112, crop="arcface")
"""The crops that factors are measured on, whatever crops the explained method wants."""

_MARGIN = 14
_BURNT = 0.9
_BLOCK, _FAINT, _FLAT = 8, 0.15, 1e-4
_HALF_HIGH, _HALF_WIDE = 6, 9
_USUAL_STRUCTURE = np.array((1.22, 1.22, 1.39))
"""Medians over LFW of the structure at right eye, left eye and mouth, in units of the whole face's."""


def factors(crops: FaceCrops) -> dict[str, NDArray[np.float64]]:
    """Each factor (n,) by name; 0 is the worst there can be, higher = more useful.

    All but ``visibility`` look at the middle of the crop, where the face is.

    * ``sharpness``: 1 - the blur effect, the share of neighbour differences that survive another blur.
    * ``cleanness``: 1 - the noise, as a standard deviation, over the mean difference of neighbours. Noise is
      taken from the quietest quarter of the blocks of 8 x 8 pixels: skin and hair have texture, but not all
      over. Flat blocks do not count.
    * ``detail``: share of pixels whose fine detail is above 15 % of its mean in their block, the median of
      the blocks that are not flat. Strong compression leaves a block a few ripples and wipes out the rest.
    * ``light``: luminance in [0, 1] that the brightest tenth of the pixels exceeds. Skin tones differ less in
      their highlights than on average.
    * ``headroom``: share of pixels of a luminance up to 0.9.
    * ``contrast``: (b - d) / b with b and d the 98th and 2nd percentile of the luminance; a lack of light
      alone leaves it as it is.
    * ``frontality``: cosine of yaw times cosine of pitch, told from the place of the nose.
    * ``size``: source pixels a crop pixel; below 1 the face was magnified.
    * ``visibility``: mean vertical change of luminance at each eye and at the mouth, over the mean gradient
      of the face and over what is usual at that place; the worst of the three. Brows, lids and lips are
      horizontal edges, and what covers them seldom has such edges there.

    Args:
        crops: n crops of `FACTOR_SPEC` with landmarks and source scale.

    Raises:
        DataError: If the crops have another size or lack landmarks or source scale.

    Source:
        Crete et al. 2007, doi:10.1117/12.702790 (blur effect).
        Immerkaer, "Fast Noise Variance Estimation", CVIU 64(2), 1996, doi:10.1006/cviu.1996.0060.
    """
    FACTOR_SPEC.check(crops.images)
    if crops.landmarks is None or crops.source_scale is None:
        raise DataError("reasons need landmarks and source scale of the crops; start from the photographs")
    luminance = luminance_of(crops.images)
    middle = luminance[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    dark, light, bright = np.quantile(middle, (0.02, 0.9, 0.98), axis=(1, 2))
    cleanness, detail = _cleanness_and_detail(middle)
    return {
        "sharpness": 1 - blur_effect(middle),
        "cleanness": cleanness,
        "detail": detail,
        "light": light.astype(np.float64),
        "headroom": np.mean(middle <= _BURNT, axis=(1, 2)),
        "contrast": _over(bright - dark, bright),
        "frontality": frontality(crops.landmarks),
        "size": crops.source_scale.astype(np.float64),
        "visibility": _structure(luminance, crops.landmarks).min(axis=1),
    }


def _cleanness_and_detail(middle: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both factors (n,) of luminance (n, h, w); 1 and 0 for a flat image."""
    fine = np.abs(np.diff(np.diff(middle, n=2, axis=1), n=2, axis=2))
    count, side = len(fine), fine.shape[1] // _BLOCK
    blocks = fine[:, : side * _BLOCK, : side * _BLOCK].reshape(count, side, _BLOCK, side, _BLOCK)
    means = blocks.mean(axis=(2, 4), keepdims=True, dtype=np.float64)
    shares = np.mean(blocks > _FAINT * means, axis=(2, 4))
    flat = (means < _FLAT).reshape(count, -1)
    flat[flat.all(axis=1)] = False
    quiet, detail = (
        np.nanquantile(np.where(flat, np.nan, values.reshape(count, -1)), level, axis=1)
        for values, level in ((means, 0.25), (shares, 0.5))
    )
    across, down = (np.abs(np.diff(middle, axis=axis)).mean(axis=(1, 2), dtype=np.float64) for axis in (1, 2))
    noise = np.sqrt(np.pi / 2) / 6 * quiet
    return 1 - np.minimum(_over(noise, (across + down) / 2), 1), detail


def _structure(luminance: NDArray[np.float32], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Structure (n, 3) at right eye, left eye and mouth, 1 = usual, of luminance (n, 112, 112)."""
    across = np.abs(luminance[:, 1:-1, 2:] - luminance[:, 1:-1, :-2])
    down = np.abs(luminance[:, 2:, 1:-1] - luminance[:, :-2, 1:-1])
    edge = _MARGIN - 1  # these have lost a pixel on each side
    strength = np.hypot(across, down)[:, edge:-edge, edge:-edge]
    places = np.concatenate([landmarks[:, :2], landmarks[:, 3:].mean(axis=1, keepdims=True)], axis=1)
    columns, rows = np.rint(places - 1).astype(np.int64).transpose(2, 0, 1)[..., None]
    rows = (rows + np.arange(-_HALF_HIGH, _HALF_HIGH + 1)).clip(0, down.shape[1] - 1)
    columns = (columns + np.arange(-_HALF_WIDE, _HALF_WIDE + 1)).clip(0, down.shape[2] - 1)
    face = np.arange(len(luminance))[:, None, None, None]
    found = down[face, rows[..., :, None], columns[..., None, :]].mean(axis=(2, 3), dtype=np.float64)
    whole = strength.mean(axis=(1, 2), dtype=np.float64)[:, None]
    structure: NDArray[np.float64] = _over(found, np.broadcast_to(whole, found.shape)) / _USUAL_STRUCTURE
    return structure


def _over(part: NDArray[np.floating], whole: NDArray[np.floating]) -> NDArray[np.float64]:
    """Part over whole, 0 where the whole is 0."""
    ratio: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)
    return ratio
