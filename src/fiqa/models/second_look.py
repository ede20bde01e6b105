"""A second, softened look at crops, for recognisers that take noise for detail."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def softened(images: NDArray[np.uint8], *, sigma: float) -> NDArray[np.uint8]:
    """Crops under a Gaussian blur.

    Args:
        images: (n, height, width, 3) uint8.
        sigma: Standard deviation of the blur in pixels, above 0.

    Returns:
        Images of the same shape.
    """
    looks = np.empty_like(images)
    for image, look in zip(images, looks, strict=True):
        look[...] = cv2.GaussianBlur(image, (0, 0), sigma)
    return looks
