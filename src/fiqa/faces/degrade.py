"""Seeded degradations of aligned crops: a range of quality with a known cause.

Each one is a function of a crop and a severity in [0, 1]. Severity 0 leaves the crop as it is; severity 1
brings the cosine similarity of ArcFace embeddings with those of the untouched crops down to between 0.26
(occlusion) and 0.41 (down-up sampling), the mean over 49 photographs of LFW. For the same random state more
severity harms more. Lengths are fractions of the crop's side. All share one signature, though some draw
nothing at random.
"""

# ruff: noqa: ARG001

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..core.registry import Entry, Registry

Image = NDArray[np.uint8]

_MODULE = "fiqa.faces.degrade"
DEGRADATIONS = Registry(
    "degradation",
    (
        Entry("none", f"{_MODULE}:none", "kept as it is"),
        Entry("down_up", f"{_MODULE}:down_up", "sampled down to an eighth of the side and up again"),
        Entry("blur", f"{_MODULE}:blur", "Gaussian blur of up to 4.5 % of the side"),
        Entry("jpeg", f"{_MODULE}:jpeg", "JPEG compression down to quality 4"),
        Entry("noise", f"{_MODULE}:noise", "Gaussian noise of up to 70 grey levels"),
        Entry("darkness", f"{_MODULE}:darkness", "light down to a thirty-second"),
        Entry("occlusion", f"{_MODULE}:occlusion", "a plain rectangle over up to half of the area"),
    ),
)


def degrade(image: Image, kind: str, *, severity: float, rng: np.random.Generator) -> Image:
    """One degradation of a crop.

    Args:
        image: (height, width, 3) uint8 RGB.
        kind: A name in `DEGRADATIONS`.
        severity: Strength in [0, 1]; 0 returns the crop as it is.
        rng: Draws noise and the place of an occlusion. Seed one for each sample (see `draw_degradation`), so
            that a crop does not depend on the others.

    Raises:
        DataError: If the image has another form.
        SettingsError: If the kind is unknown or the severity out of range.
    """
    apply: Callable[..., Image] = DEGRADATIONS.load(kind)
    if not 0 <= severity <= 1:
        raise SettingsError(f"severity must be in [0, 1], got {severity}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(f"expected a uint8 RGB crop (h, w, 3), got {image.dtype} of shape {image.shape}")
    return apply(image, severity, rng=rng) if severity > 0 else image.copy()


@dataclass(frozen=True)
class Draw:
    """What happens to one crop.

    Attributes:
        kind: A name in `DEGRADATIONS`.
        severity: In (0, 1], or 0 where the kind is ``"none"``.
        seed: Seed of what the degradation itself draws.
    """

    kind: str
    severity: float
    seed: int


def draw_degradation(sample_id: str, *, seed: int, share: float = 1.0) -> Draw:
    """Draw what happens to a crop from the seed and its sample id alone.

    The draw is read from the bits of a SHA-256, so that it depends neither on other samples nor on a version
    of a random generator; with a larger share a sample that was degraded already stays so in the same way.

    Args:
        sample_id: Which sample.
        seed: Seed of all draws.
        share: Probability in [0, 1] that the crop is degraded; the kind is then uniform over all but
            ``"none"``, the severity uniform in (0, 1].

    Raises:
        SettingsError: If the share is out of range.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"share must be in [0, 1], got {share}")
    bits = hashlib.sha256(f"{seed} {sample_id}".encode()).digest()
    whether, which, strength, inner = (int.from_bytes(bits[at : at + 8]) for at in range(0, 32, 8))
    if (whether >> 11) / 2**53 >= share:
        return Draw("none", 0.0, inner)
    kinds = DEGRADATIONS.names[1:]
    return Draw(kinds[which % len(kinds)], ((strength >> 11) + 1) / 2**53, inner)


def degradation_digest(sample_ids: Iterable[str], *, seed: int, share: float = 1.0) -> str:
    """SHA-256 of kind and severity of every sample, whatever their order: equal where the draws are."""
    whole = hashlib.sha256()
    for sample_id in sorted(sample_ids):
        draw = draw_degradation(sample_id, seed=seed, share=share)
        whole.update(f"{sample_id} {draw.kind} {draw.severity.hex()}\n".encode())
    return whole.hexdigest()


def none(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """The crop as it is, whatever the severity."""
    return image.copy()


def down_up(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """Area-averaged to ``8**-severity`` of the side, and bilinearly back."""
    height, width = image.shape[:2]
    small = [max(1, round(side * 8.0**-severity)) for side in (width, height)]
    return _uint8(cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height)))


def blur(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """Gaussian blur, standard deviation 4.5 % of the side times severity."""
    return _uint8(cv2.GaussianBlur(image, (0, 0), 0.045 * severity * image.shape[0]))


def jpeg(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """JPEG of quality ``90 * (4 / 90)**severity`` with the usual halved colour resolution."""
    return reencoded(image, quality=round(90 * (4 / 90) ** severity))


def noise(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """Independent Gaussian noise in each channel, standard deviation 70 times severity."""
    field = rng.standard_normal(image.shape, dtype=np.float32)
    return _uint8(np.rint(image + 70 * severity * field).clip(0, 255))


def darkness(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """Values times ``32**-severity``, rounded: shadows run into black."""
    return _uint8(np.rint(image * 32.0**-severity))


def occlusion(image: Image, severity: float, *, rng: np.random.Generator) -> Image:
    """A rectangle of one random colour over ``severity / 2`` of the area.

    Its sides are in a random ratio of up to 2 as far as the crop allows; it lies anywhere inside the crop.
    """
    height, width = image.shape[:2]
    area = severity / 2
    ratio = 2.0 ** rng.uniform(-0.5, 0.5)
    wide, high = np.sqrt(area * ratio), np.sqrt(area / ratio)
    left, top = rng.random(2) * (1 - wide, 1 - high)
    rows = slice(round(top * height), round((top + high) * height))
    columns = slice(round(left * width), round((left + wide) * width))
    covered = image.copy()
    covered[rows, columns] = rng.integers(0, 256, 3)
    return covered


def reencoded(image: Image, *, quality: int) -> Image:
    """The crop after JPEG of a quality in 1 to 100, with the usual halved colour resolution."""
    _, stream = cv2.imencode(".jpg", image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))
    return _uint8(np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR))[..., ::-1])


def _uint8(values: NDArray[Any]) -> Image:
    """The values as a contiguous uint8 image."""
    return np.ascontiguousarray(values, dtype=np.uint8)
