"""What a method, a recogniser and a label optimiser promise, and how networks want their input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, SettingsError
from .types import EmbeddingSet, FaceCrops, QualityScores, SampleSet

Channels = float | tuple[float, float, float]
"""One number for all channels, or one a channel in the order of the network's input."""

Progress = Callable[[int, int], None]
"""Called with (done, total) counts; bars are drawn by the command line alone."""


def silent(done: int, total: int) -> None:
    """A progress callback that shows nothing."""


@dataclass(frozen=True)
class InputSpec:
    """How a network wants its crops.

    Attributes:
        size: Side of the square input in pixels.
        crop: Alignment convention: ``"arcface"`` (112-pixel five-point template) or ``"dlib"``
            (150-pixel chip, padding 0.25).
        colour: Channel order of the network input.
        mean: Subtracted from the 0..255 values; three equal numbers become one.
        std: Divides the result; likewise.
    """

    size: int = 112
    crop: Literal["arcface", "dlib"] = "arcface"
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: Channels = 0.0
    std: Channels = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _channels("mean", self.mean))
        object.__setattr__(self, "std", _channels("std", self.std))
        if self.size < 1 or np.min(self.std) <= 0:
            raise SettingsError(f"an input needs size >= 1 and std > 0, got size {self.size}, std {self.std}")
        if self.crop not in ("arcface", "dlib") or self.colour not in ("rgb", "bgr"):
            raise SettingsError(f"unknown crop {self.crop!r} or colour order {self.colour!r}")

    def prepare(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn uint8 RGB crops (n, size, size, 3) into float32 (n, 3, size, size) as the network wants them.

        Raises:
            DataError: If the crops have another size.
        """
        self.check(images)
        channels = images if self.colour == "rgb" else images[..., ::-1]
        planes = np.ascontiguousarray(channels.transpose(0, 3, 1, 2), dtype=np.float32)
        if self.mean:
            planes -= self.channel_mean
        if self.std != 1.0:
            planes /= self.channel_std
        return planes

    @property
    def channel_mean(self) -> NDArray[np.float32]:
        """`mean` (1, 1, 1) or (3, 1, 1), to be subtracted from planes."""
        return np.array(self.mean, np.float32).reshape(-1, 1, 1)

    @property
    def channel_std(self) -> NDArray[np.float32]:
        """`std` (1, 1, 1) or (3, 1, 1), to divide planes by."""
        return np.array(self.std, np.float32).reshape(-1, 1, 1)

    def check(self, images: NDArray[np.uint8]) -> None:
        """Refuse crops that are not (n, size, size, 3).

        Raises:
            DataError: If they have another size.
        """
        if images.ndim != 4 or images.shape[1:] != (self.size, self.size, 3):
            raise DataError(
                f"crops must be (n, {self.size}, {self.size}, 3), got {images.shape}; crop the photos first"
            )


def _channels(name: str, value: object) -> Channels:
    numbers = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
    if len(numbers) != 3 or not all(isinstance(one, int | float) and np.isfinite(one) for one in numbers):
        raise SettingsError(f"{name} of an input is a number or three, one a channel, got {value!r}")
    first, second, third = map(float, numbers)
    return first if first == second == third else (first, second, third)


class Recogniser(Protocol):
    """A face recognition model that turns crops into embeddings."""

    name: str
    spec: InputSpec
    dimension: int

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings (n, dimension), not normalised, of uint8 RGB crops (n, size, size, 3)."""
        ...


@runtime_checkable
class QualityMethod(Protocol):
    """Scores crops one by one; knows nothing of subjects."""

    name: str
    spec: InputSpec

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful; row i depends on crop i alone."""
        ...


@runtime_checkable
class LabelSource(Protocol):
    """Derives training labels for samples of known subjects from their embeddings."""

    name: str

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:
        """Labels in the order of `embeddings.sample_ids`."""
        ...
