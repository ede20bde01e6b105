"""An explanation as one picture, drawn with Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from .explanation import Explanation, cells
from .page import GROUND, INK, MUTED, RULE, SHARP, Page
from .reasons import LEVELS

_LOST, _CARRIES, _WEIGHT = (213, 94, 0), (0, 114, 178), (0, 130, 96)
_PANEL, _GAP, _MARGIN, _TOP = 372, 24, 40, 128
_HEIGHT, _BAR_ROW = 916, 33


def picture(explanation: Explanation) -> NDArray[np.uint8]:
    """Photograph, crop and maps side by side, with score, reasons and factors below.

    Maps lie over the grey crop: blue where hiding lowers the score, orange where it raises it, each the
    stronger the more; green where the gradient is large.

    Returns:
        (height, width, 3) uint8 RGB; a map more makes it wider.
    """
    panels = [
        ("Photo", "face found and its landmarks", _photo(explanation)),
        ("Crop", "what the method saw", _enlarged(explanation.crop)),
        ("Occlusion", "hide a place: what happens to the score?", _occlusion(explanation)),
    ]
    if explanation.gradient is not None:
        panels.append(("Gradient", "which pixels move the score most?", _gradient(explanation)))
    width = 2 * _MARGIN + len(panels) * (_PANEL + _GAP) - _GAP
    page = Page(width, _HEIGHT)
    score, method = f"{explanation.score:.4g}", explanation.method
    if "score100" in explanation.meaning:
        score, method = f"{explanation.meaning['score100']} / 100", f"{method} · native score {score}"
    page.text((width - _MARGIN, 30), score, 34, anchor="ra")
    page.text((width - _MARGIN - page.length(score, 34) - 14, 45), method, 17, MUTED, "ra")
    room = width - 2 * _MARGIN - page.length(method, 17) - page.length(score, 34) - 60
    page.text((_MARGIN, 38), page.shortened(explanation.sample_id, 24, room), 24)
    for number, (name, caption, image) in enumerate(panels):
        left = _MARGIN + number * (_PANEL + _GAP)
        page.text((left, _TOP - 30), name, 17)
        page.text((left + page.length(name, 17) + 9, _TOP - 28), caption, 14, MUTED)
        page.image((left, _TOP), image)
    below = _TOP + _PANEL + 14
    _legend(page, _MARGIN + 2 * (_PANEL + _GAP), below, explanation)
    _reasons(page, _MARGIN, below + 60, explanation)
    _bars(page, (_MARGIN + _PANEL + _GAP, width - _MARGIN), below + 60, explanation)
    return page.pixels()


def _enlarged(image: NDArray[np.uint8]) -> Image.Image:
    side = _PANEL * SHARP
    return Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)


def _photo(explanation: Explanation) -> Image.Image:
    """The whole photograph in a square, with the box and the landmarks of the face."""
    height, width = explanation.photo.shape[:2]
    side = _PANEL * SHARP
    scale = side / max(height, width)
    small = Image.fromarray(explanation.photo).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BICUBIC
    )
    panel = Image.new("RGB", (side, side), "#f1f2f4")
    corner = np.array([(side - small.width) // 2, (side - small.height) // 2])
    panel.paste(small, (int(corner[0]), int(corner[1])))
    draw = ImageDraw.Draw(panel)
    left, top, wide, high = explanation.box
    ends = np.array([(left, top), (left + wide, top + high)]) * scale + corner
    for colour, line in ((INK, 7), (GROUND, 4)):
        draw.rounded_rectangle(ends.ravel().tolist(), radius=10, outline=colour, width=line)
    for x, y in explanation.landmarks * scale + corner:
        draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill="#ffffff", outline=_CARRIES, width=4)
    return panel


def _occlusion(explanation: Explanation) -> Image.Image:
    values = _smooth(explanation.occlusion, 14)
    reach = np.abs(explanation.occlusion).max() or 1.0
    share = np.clip(np.abs(values) / reach, 0, 1) ** 0.75
    colour = np.where(values[..., None] > 0, _LOST, _CARRIES)
    return _overlaid(explanation.crop, colour, share)


def _gradient(explanation: Explanation) -> Image.Image:
    assert explanation.gradient is not None
    values = _smooth(explanation.gradient, 28)
    share = np.clip(values / (np.quantile(values, 0.995) or 1.0), 0, 1)
    return _overlaid(explanation.crop, np.broadcast_to(_WEIGHT, (*values.shape, 3)), share)


def _smooth(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A map as large as a panel, by cubic interpolation between the means over cells."""
    side = _PANEL * SHARP
    coarse = Image.fromarray(cells(values, count).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float64)


def _overlaid(
    crop: NDArray[np.uint8], colour: NDArray[np.integer], share: NDArray[np.float64]
) -> Image.Image:
    """Colour over the crop in grey, lit so that dark ones show too."""
    grey = np.asarray(ImageOps.autocontrast(_enlarged(crop).convert("L"), cutoff=0.5), np.float64)[..., None]
    ground = 70 + grey * (185 / 255)
    tinted = colour * (0.35 + 0.65 * grey / 255)
    mixed = ground + 0.85 * share[..., None] * (tinted - ground)
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _legend(page: Page, left: float, top: float, explanation: Explanation) -> None:
    lowest, highest = (float(edge) for edge in (explanation.occlusion.min(), explanation.occlusion.max()))
    rows = [
        (left, top, _CARRIES, f"carries quality: lower without it, by up to {max(0.0, -lowest):.2g}"),
        (left, top + 22, _LOST, f"quality is lost: higher without it, by up to {max(0.0, highest):.2g}"),
    ]
    if explanation.gradient is not None:
        most = f"weight of a pixel: up to {explanation.gradient.max():.2g} a grey level"
        rows.append((left + _PANEL + _GAP, top, _WEIGHT, most))
    for x, y, colour, text in rows:
        page.box(x, y + 3, 12, 12, _hex(colour))
        page.text((x + 20, y), text, 14, MUTED)


def _reasons(page: Page, left: float, top: float, explanation: Explanation) -> None:
    page.text((left, top), "What stands out", 17)
    found = explanation.reasons
    if not found:
        page.text((left, top + 40), "nothing", 26)
        page.text((left, top + 78), "all factors are in the usual range", 14, MUTED)
    for number, reason in enumerate(found):
        place = top + 36 + 70 * number
        page.text((left, place), reason.words, 26, _hex(_LOST))
        judged = f"{reason.factor} {reason.value:.2f}, stands out below {reason.level:.2f}"
        page.text((left, place + 35), judged, 14, MUTED)


def _bars(page: Page, span: tuple[float, float], top: float, explanation: Explanation) -> None:
    left, right = span
    page.text((left, top), "Factors", 17)
    page.text((left + 74, top + 2), "full bar: usual or better; mark: below it, it stands out", 14, MUTED)
    track = right - left - 110 - 56
    for number, row in enumerate(LEVELS):
        value, middle = explanation.factors[row.factor], top + 48 + _BAR_ROW * number
        low = value < row.level
        page.text((left, middle), row.factor, 15, INK, "lm")
        page.box(left + 110, middle - 6, track, 12, RULE)
        colour = _hex(_LOST if low else _CARRIES)
        page.box(left + 110, middle - 6, track * min(1.0, max(0.0, value / row.usual)), 12, colour)
        page.box(left + 110 + track * row.level / row.usual - 1, middle - 10, 2, 20, INK)
        page.text((right, middle), f"{value:.2f}", 15, colour if low else INK, "rm")


def _hex(colour: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
