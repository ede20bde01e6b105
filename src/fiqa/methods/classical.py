"""Classical factors: what is wrong with a crop, measured without any network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import InputSpec
from ..core.types import FaceCrops
from .bounds import whole

_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)
_BLUR_LENGTH = 9
_PATCH = 8
_BATCH = 256


class Classical:
    """Sharpness, structure, brightness, contrast, resolution and pose in [0, 1], and their geometric mean.

    Higher = more useful; a single factor of 0 makes the score 0. Pixels are judged in the middle of the
    crop, free of background and of the black corners of alignment.

    * ``sharpness``: 1 - the blur effect, the share of neighbour differences that survive another blur.
    * ``structure``: how far the gradients of a small patch agree in direction; noise, compression and
      covered areas lower it.
    * ``brightness``: 4 m (1 - m) with m the mean luminance in [0, 1]; 1 at mid-grey.
    * ``contrast``: entropy of the luminance histogram over its largest value of 8 bits.
    * ``resolution``: source pixels a crop pixel, at most 1 (below 1 the face was magnified).
    * ``pose``: cosine of yaw times cosine of pitch, told from the place of the nose.

    ``resolution`` needs `source_scale` and ``pose`` the landmarks; crops without them go without these
    factors, so their scores do not compare with those of crops that have them.

    Source:
        Crete, Dolmiere, Ladret, Nicolas, "The blur effect: perception and estimation with a new
        no-reference perceptual blur metric", SPIE 6492, 2007, doi:10.1117/12.702790.
        Zhu, Milanfar, "Automatic parameter selection for denoising algorithms using a no-reference measure
        of image content", IEEE TIP 19(12), 2010, doi:10.1109/TIP.2010.2052820 (coherence).
        Luminance entropy as in ISO/IEC 29794-5.
    """

    name = "classical"

    def __init__(self, *, size: int = 112) -> None:
        """Set the side of the crops in pixels.

        Raises:
            SettingsError: If the side is below 32.
        """
        self.spec = InputSpec(size=whole("size", size, least=32))

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,) in [0, 1], higher = more useful; the geometric mean of `factors`.

        Raises:
            DataError: If the crops have another size.
        """
        factors = list(self.factors(crops).values())
        means: NDArray[np.float64] = np.prod(factors, axis=0) ** (1 / len(factors))
        return means

    def factors(self, crops: FaceCrops) -> dict[str, NDArray[np.float64]]:
        """Each factor (n,) in [0, 1] by name, higher = more useful.

        Raises:
            DataError: If the crops have another size.
        """
        self.spec.check(crops.images)
        blocks = [
            _pixel_factors(self._middle(crops.images[start : start + _BATCH]))
            for start in range(0, max(len(crops), 1), _BATCH)
        ]
        found = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        if crops.source_scale is not None:
            found["resolution"] = np.clip(crops.source_scale.astype(np.float64), 0, 1)
        if crops.landmarks is not None:
            found["pose"] = frontality(crops.landmarks)
        return found

    def _middle(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Luminance (n, h, w) in [0, 1] of the middle three quarters of the crops."""
        margin = self.spec.size // 8
        return luminance_of(images[:, margin:-margin, margin:-margin])


def luminance_of(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luminance (n, h, w) in [0, 1] of uint8 RGB images (n, h, w, 3), by the weights of ITU-R BT.601."""
    luminance: NDArray[np.float32] = images @ _LUMA
    return luminance


def _pixel_factors(luminance: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """The factors that need pixels alone, (n,) each, of luminance (n, h, w) in [0, 1]."""
    mean = luminance.mean(axis=(1, 2), dtype=np.float64)
    return {
        "sharpness": 1 - blur_effect(luminance),
        "structure": coherence(luminance),
        "brightness": 4 * mean * (1 - mean),
        "contrast": histogram_entropy(luminance) / 8,
    }


def blur_effect(luminance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Blur (n,) in [0, 1] of images (n, h, w): 0 = sharp, 1 = blurred or flat; the worse direction counts.

    Differences between neighbours are compared with those of the image blurred by a moving mean over nine
    pixels: what is blurred already changes little.
    """
    across, down = _blur_along_rows(luminance), _blur_along_rows(luminance.swapaxes(1, 2))
    worse: NDArray[np.float64] = np.maximum(across, down)
    return worse


def _blur_along_rows(luminance: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same along the last axis alone; both differences are taken at the same places."""
    total = np.pad(np.cumsum(luminance, axis=2, dtype=np.float64), ((0, 0), (0, 0), (1, 0)))
    blurred = (total[:, :, _BLUR_LENGTH:] - total[:, :, :-_BLUR_LENGTH]) / _BLUR_LENGTH
    edge = _BLUR_LENGTH // 2
    sharp = np.abs(np.diff(luminance[:, :, edge:-edge], axis=2))
    lost = np.maximum(sharp - np.abs(np.diff(blurred, axis=2)), 0).sum(axis=(1, 2), dtype=np.float64)
    present = sharp.sum(axis=(1, 2), dtype=np.float64)
    kept: NDArray[np.float64] = np.divide(lost, present, out=np.zeros(len(lost)), where=present > 0)
    return 1 - kept


def coherence(luminance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean agreement (n,) in [0, 1] of the gradients within patches of 8 x 8 pixels of images (n, h, w).

    With s1 >= s2 the singular values of a patch's gradients, its coherence is (s1 - s2) / (s1 + s2): 1 for
    one clear edge, near 0 for noise, and 0 by definition for a flat patch.
    """
    along = (luminance[:, 1:-1, 2:] - luminance[:, 1:-1, :-2]).astype(np.float64)
    down = (luminance[:, 2:, 1:-1] - luminance[:, :-2, 1:-1]).astype(np.float64)
    xx, yy, xy = _patch_sums(along * along), _patch_sums(down * down), _patch_sums(along * down)
    product = 2 * np.sqrt(np.maximum(xx * yy - xy * xy, 0))
    total = xx + yy + product
    squared = np.divide(xx + yy - product, total, out=np.zeros_like(total), where=total > 0)
    mean: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0)).mean(axis=(1, 2))
    return mean


def _patch_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over whole patches (n, h // 8, w // 8) of values (n, h, w)."""
    n_images, high, wide = len(values), values.shape[1] // _PATCH, values.shape[2] // _PATCH
    whole_patches = values[:, : high * _PATCH, : wide * _PATCH]
    sums: NDArray[np.float64] = whole_patches.reshape(n_images, high, _PATCH, wide, _PATCH).sum(axis=(2, 4))
    return sums


def histogram_entropy(luminance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shannon entropy (n,) in bits, 0 to 8, of the 256-level histogram of images (n, h, w) in [0, 1]."""
    n_images, height, width = luminance.shape
    levels = np.rint(luminance * 255).astype(np.int64)
    slots = (levels + 256 * np.arange(n_images)[:, None, None]).ravel()
    share = np.bincount(slots, minlength=256 * n_images).reshape(n_images, 256) / (height * width)
    logarithms = np.log2(share, out=np.zeros_like(share), where=share > 0)
    entropy: NDArray[np.float64] = -np.einsum("nk,nk->n", share, logarithms)
    return entropy


def frontality(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosine of yaw times cosine of pitch (n,) in [0, 1]; 1 = the nose is midway on both ways.

    The nose is taken to stand out by half the eye distance (yaw, between the eyes) and by half the way from
    eyes to mouth (pitch), so that its offset from the middle, over that half, is the tangent of the angle.
    Landmarks that coincide count as 0.

    Args:
        landmarks: (n, 5, 2) right eye, left eye, nose, right and left mouth corner.
    """
    right, left, nose, *mouth = landmarks.astype(np.float64).swapaxes(0, 1)
    eyes, lips = (right + left) / 2, (mouth[0] + mouth[1]) / 2
    return _cosine(nose - right, left - right) * _cosine(nose - eyes, lips - eyes)


def _cosine(offset: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine (n,) of the angle whose tangent is how far the offset (n, 2) lies from half-way of the axis."""
    half = np.einsum("nd,nd->n", axis, axis) / 2
    hypotenuse = np.hypot(half, np.einsum("nd,nd->n", offset, axis) - half)
    cosine: NDArray[np.float64] = np.divide(half, hypotenuse, out=np.zeros_like(half), where=hypotenuse > 0)
    return cosine
