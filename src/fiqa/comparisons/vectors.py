"""Rows of an array of unit vectors, read as float32 from any thread, process or machine."""

from __future__ import annotations

import mmap
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few, frozen
from ..core.errors import DataError
from .compiled import compiled

_LENGTH_TOLERANCE = 1e-2
_MEMORY = threading.local()


@dataclass(frozen=True, eq=False)
class UnitVectors:
    """Unit vectors that may be larger than memory.

    A memory-mapped array is pickled as the place of its bytes in the file, so that a worker in another
    process opens the file itself; on another machine the file must lie under the same path. Any other
    array is pickled with its values.

    Attributes:
        array: (m, d) float16 or float32 rows of unit length; other float types are converted.
        rows: (n,) row of each sample, or None where samples and rows are the same.
    """

    array: NDArray[np.floating]
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        array = self.array
        if array.ndim != 2 or array.dtype.kind != "f":
            raise DataError(f"vectors must be floats (n, d), got {array.dtype} of shape {array.shape}")
        if array.dtype not in (np.float16, np.float32) or not array.flags.c_contiguous:
            array = np.ascontiguousarray(array, dtype=np.float32)
        object.__setattr__(self, "array", frozen(array))

    def __len__(self) -> int:
        return len(self.array if self.rows is None else self.rows)

    def __reduce__(self) -> tuple[Any, ...]:
        array = self.array
        if isinstance(array, np.memmap) and array.filename is not None:
            place = (Path(array.filename), array.dtype.str, array.shape, _file_offset(array))
            return _reopen, (place, self.rows)
        return UnitVectors, (np.asarray(array), self.rows)

    def borrow(self, samples: NDArray[np.int64]) -> NDArray[np.float32]:
        """As `read`, into memory of this thread that its next call writes over."""
        size = len(samples) * self.array.shape[1]
        memory = getattr(_MEMORY, "block", None)
        if memory is None or memory.size < size:
            memory = _MEMORY.block = np.empty(size, np.float32)
        return self.read(samples, out=memory[:size].reshape(len(samples), -1))

    def read(
        self, samples: NDArray[np.int64], *, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The vectors of k samples as float32 (k, d), in `out` where it is given.

        Raises:
            DataError: If one of them is not of unit length (NaN and zero vectors included).
        """
        rows = samples if self.rows is None else self.rows[samples]
        block = np.empty((len(rows), self.array.shape[1]), np.float32) if out is None else out
        plain = np.asarray(self.array)
        if plain.dtype == np.float16:
            _widen(plain.view(np.uint16), rows, block.view(np.uint32))
            block *= np.float32(2.0**112)
        else:
            np.take(plain, rows, axis=0, out=block, mode="clip")
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
        bad = np.flatnonzero(~(np.abs(lengths - 1.0) <= _LENGTH_TOLERANCE))
        if bad.size:
            raise DataError(
                f"vectors must have unit length: those of samples {first_few(samples[bad])} do not "
                f"(length {lengths[bad[0]]:.4g}); divide each vector by its norm and drop zero vectors"
            )
        return block


@compiled
def _widen(halves: NDArray[np.uint16], rows: NDArray[np.int64], out: NDArray[np.uint32]) -> None:
    """Move sign, exponent and fraction bits of half floats to their place in single floats.

    The result is 2**112 times too small, the difference of the exponent biases: exact after one
    multiplication, subnormals included, and several times faster than a cast element by element.
    """
    for i in range(len(rows)):
        source = halves[rows[i]]
        for j in range(out.shape[1]):
            bits = np.uint32(source[j])
            sign = (bits & np.uint32(0x8000)) << np.uint32(16)
            out[i, j] = sign | ((bits & np.uint32(0x7FFF)) << np.uint32(13))


def _file_offset(array: np.memmap[Any, Any]) -> int:
    """Byte of the file at which the array starts, also where it is a slice of what was mapped."""
    pages: Any = array._mmap  # type: ignore[attr-defined]
    mapped_at = np.frombuffer(pages, np.uint8).__array_interface__["data"][0]
    mapped_from = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    return int(mapped_from + array.__array_interface__["data"][0] - mapped_at)


def _reopen(place: tuple[Path, str, tuple[int, int], int], rows: NDArray[np.int64] | None) -> UnitVectors:
    path, dtype, shape, offset = place
    return UnitVectors(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape), rows)
