"""Faces side by side with a line of words above and two below each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .page import MUTED, SHARP, Page

_SIDE, _GAP, _MARGIN, _TOP, _BELOW = 160, 12, 20, 52, 52


def strip(
    title: str, images: Sequence[NDArray[np.uint8]], captions: Sequence[tuple[str, str]]
) -> NDArray[np.uint8]:
    """Square uint8 RGB images in a row.

    Args:
        title: Above all of them.
        images: One or more, of any size.
        captions: A large and a small line below each.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    longest = Page(1, 1).length(title, 17) + 2 * _MARGIN
    width = max(2 * _MARGIN + len(images) * (_SIDE + _GAP) - _GAP, int(longest) + 1)
    page = Page(width, _TOP + _SIDE + _BELOW + _MARGIN)
    page.text((_MARGIN, 20), title, 17)
    for number, (image, (large, small)) in enumerate(zip(images, captions, strict=True)):
        left = _MARGIN + number * (_SIDE + _GAP)
        side = _SIDE * SHARP
        page.image((left, _TOP), Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        page.text((left, _TOP + _SIDE + 6), large, 22)
        page.text((left, _TOP + _SIDE + 35), small, 13, MUTED)
    return page.pixels()
