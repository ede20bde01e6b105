"""Aligned images packed in one file: the ``.bin`` benchmarks and ``.rec`` training sets of insightface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import linked
from ..core.errors import DataError
from ..core.types import PairSet, SampleSet
from .legacy import read_pickle
from .pairlists import fold_blocks
from .recordio import RecordFile

SUFFIXES = (".bin", ".rec")
N_FOLDS = 10


class Archive(Protocol):
    """Encoded images that are read one by one."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def samples(self) -> SampleSet:
        """The n images, without paths."""
        ...

    def encoded(self, row: int) -> bytes:
        """The bytes of an image file."""
        ...


def open_archive(path: Path) -> Archive:
    """Open a ``.bin`` or ``.rec`` file by the ending of its name.

    Raises:
        DataError: If it is malformed.
    """
    return read_bin(path) if path.suffix.lower() == ".bin" else RecordFile.open(path)


@dataclass(frozen=True, eq=False)
class BinFile:
    """A benchmark of m pairs: images 2i and 2i + 1 are pair i.

    Attributes:
        path: The file.
        images: 2m encoded images.
        mated: (m,) bool.
    """

    path: Path
    images: Sequence[bytes]
    mated: NDArray[np.bool_]

    @cached_property
    def samples(self) -> SampleSet:
        """The images as ``000000``, ``000001`` and so on.

        The file names no subjects. Images of a mated pair share one, and so do images of the same bytes: an
        image stands in the file once for each pair that it is in.
        """
        copies: dict[bytes, int] = {}
        original = np.array([copies.setdefault(image, row) for row, image in enumerate(self.images)])
        mates = 2 * np.flatnonzero(self.mated)
        rows = np.arange(len(self.images))
        first, second = np.concatenate([rows, mates]), np.concatenate([original, mates + 1])
        names = np.array([f"{row:06}" for row in range(len(self.images))])
        return SampleSet(names, names[linked(len(names), first, second)])

    @property
    def pairs(self) -> PairSet:
        """The pairs, in ten folds in order as insightface takes them, none where there are fewer pairs."""
        rows = np.arange(len(self.mated), dtype=np.int32)
        folds = fold_blocks(len(rows), N_FOLDS).astype(np.int32) if len(rows) >= N_FOLDS else None
        return PairSet(self.samples.sample_ids, 2 * rows, 2 * rows + 1, self.mated, folds)

    def encoded(self, row: int) -> bytes:
        """The bytes of an image file."""
        return self.images[row]


def read_bin(path: Path) -> BinFile:
    """Read a ``.bin``: a pickle of (list of 2m encoded images, list of m flags), nothing in which is run.

    Images are bytes, the text that Python 2 bytes become, or uint8 arrays.

    Raises:
        DataError: If the file holds anything else; what a pickle would call is named.
    """
    content = read_pickle(path)
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise DataError(f"{path} must hold (images, flags), got {type(content).__name__}")
    images, flags = content
    if not isinstance(images, tuple | list) or not isinstance(flags, tuple | list | np.ndarray):
        kinds = f"{type(images).__name__} and {type(flags).__name__}"
        raise DataError(f"{path} must hold a list of images and one of flags, got {kinds}")
    if not len(flags) or len(images) != 2 * len(flags):
        raise DataError(f"{path} must hold two images for each flag, got {len(images)} and {len(flags)}")
    odd = [row for row, flag in enumerate(flags) if flag not in (0, 1)]
    if odd:
        raise DataError(f"{path}: flag {odd[0]} must be true or false, got {flags[odd[0]]!r}")
    encoded = [_encoded(image, row, path) for row, image in enumerate(images)]
    return BinFile(path, encoded, np.array(flags, dtype=np.bool_))


def read_bin_pairs(path: Path) -> PairSet:
    """The pairs of a ``.bin`` under the ids that its images get."""
    return read_bin(path).pairs


def _encoded(image: Any, row: int, path: Path) -> bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(image, str):
        return image.encode("latin1")
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 1:
        return image.tobytes()
    raise DataError(f"{path}: image {row} must be the bytes of an image file, got {type(image).__name__}")
