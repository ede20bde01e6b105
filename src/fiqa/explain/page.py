"""A white page to draw on with Pillow alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, MUTED, RULE, GROUND = "#1c1d21", "#63666e", "#d8dade", "#ffffff"
SHARP = 2
"""Everything is drawn this much larger and averaged down, which smooths all edges."""


class Page:
    """A white page in ordinary pixels, drawn finer."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * SHARP, height * SHARP), GROUND)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self, place: tuple[float, float], text: str, size: int, colour: str = INK, anchor: str = "la"
    ) -> None:
        """Write a line; the anchor is one of Pillow's."""
        at = (place[0] * SHARP, place[1] * SHARP)
        self._draw.text(at, text, fill=colour, font=_font(size), anchor=anchor)

    def length(self, text: str, size: int) -> float:
        """Width of a line."""
        return float(_font(size).getlength(text)) / SHARP

    def shortened(self, text: str, size: int, room: float) -> str:
        """The text, or as much of its end as there is room for."""
        start = next((at for at in range(len(text)) if self.length(text[at:], size) <= room), len(text))
        return text if start == 0 else "…" + text[start + 1 :]

    def box(self, left: float, top: float, wide: float, high: float, colour: str) -> None:
        """Fill a bar with round ends."""
        if wide > 0:
            corners = [at * SHARP for at in (left, top, left + wide, top + high)]
            corners[2:] = [corners[2] - 1, corners[3] - 1]
            self._draw.rounded_rectangle(corners, radius=min(wide, high) * SHARP / 2, fill=colour)

    def image(self, place: tuple[float, float], image: Image.Image) -> None:
        """Paste an image, whose own pixels are the finer ones."""
        self._image.paste(image, (round(place[0] * SHARP), round(place[1] * SHARP)))

    def pixels(self) -> NDArray[np.uint8]:
        """The page (height, width, 3), RGB."""
        return np.asarray(self._image.reduce(SHARP))


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size * SHARP)
    assert isinstance(font, ImageFont.FreeTypeFont)  # wheels of Pillow bring FreeType
    return font
