"""RecordIO training sets as insightface packs them (``train.rec`` with ``train.idx``), without mxnet.

A record is a magic number, a word of 3 bits of kind and 29 of length, and that many bytes, padded to four.
Where the magic number itself stands in the data (at a multiple of four bytes), it is left out and the record
split there: kind 1 begins such a record, 2 goes on, 3 ends it; kind 0 is whole. The data is a header (flag,
label, two numbers), as many further float labels as the flag says, and an encoded image. Record 0 may hold
two labels instead of an image: images are the keys from 1 to before the first label, and what follows lists
subjects.

Source: dmlc-core, `recordio.h`; Apache MXNet, `mxnet.recordio`; insightface, `face2rec2`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.types import SampleSet
from .images import ImageError
from .lines import read_integers

_MAGIC = struct.pack("<I", 0xCED7230A)
_PART = struct.Struct("<4sI")
_HEADER = struct.Struct("<IfQQ")
_SHORTEST = _PART.size + _HEADER.size + 4
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class RecordFile:
    """Images of a training set that stay in their file until they are asked for.

    Attributes:
        path: The ``.rec`` file.
        content: (bytes,) uint8, mapped into memory.
        keys: (n,) key of each image.
        offsets: (n,) where its record begins.
    """

    path: Path
    content: NDArray[np.uint8]
    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def open(cls, path: Path) -> RecordFile:
        """Open a ``.rec`` file and the ``.idx`` beside it, lines of key and offset.

        Raises:
            DataError: If either is missing or malformed, or the index lacks images that record 0 announces.
        """
        index = read_integers(path.with_suffix(".idx"), "key offset")
        try:
            content = np.memmap(path, np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        keys, offsets = index[np.argsort(index[:, 0], kind="stable")].T
        far = keys[(offsets < 0) | (offsets > len(content) - _SHORTEST)]
        if far.size:
            raise DataError(
                f"{path} ends before records {first_few(far)} of its .idx: it is cut short, fetch it again"
            )
        whole = cls(path, content, keys, offsets)
        whole._joined(int(offsets.argmax()))
        return whole._images() if keys[0] == 0 else whole

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def samples(self) -> SampleSet:
        """The images as ``LABEL/KEY``, zero-padded; the label is the subject.

        Raises:
            DataError: If a record is damaged or a label is no whole number from 0.
        """
        labels = self._labels()
        odd = ~((labels >= 0) & (labels == np.rint(labels)))
        if odd.any():
            keys = self._at(odd)
            raise DataError(f"{self.path}: labels must be whole numbers from 0, not so at keys {keys}")
        subjects = np.char.zfill(labels.astype(np.int64).astype(np.str_), 6)
        names = np.char.add(np.char.add(subjects, "/"), np.char.zfill(self.keys.astype(np.str_), 8))
        return SampleSet(names, subjects)

    def encoded(self, row: int) -> bytes:
        """The bytes of an image file.

        Raises:
            ImageError: If the record is damaged.
        """
        return self._record(row)[1]

    def _images(self) -> RecordFile:
        """Without what are no images, where record 0 says so."""
        labels, image = self._record(0)
        if len(labels) < 2 or image:
            return self
        wanted = np.arange(1, int(labels[0]))
        absent = wanted[~np.isin(wanted, self.keys)]
        if absent.size or not wanted.size:
            lacks = f"its .idx lacks {first_few(absent)}" if absent.size else "there are none"
            raise DataError(f"{self.path} announces images 1 to {int(labels[0]) - 1}; {lacks}")
        rows = np.searchsorted(self.keys, wanted)
        return RecordFile(self.path, self.content, wanted, self.offsets[rows])

    def _labels(self) -> NDArray[np.float32]:
        """(n,) first label of each record, gathered without reading the images."""
        labels = np.empty(len(self), np.float32)
        for start in range(0, len(self), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            heads = np.asarray(self.content[self.offsets[block, None] + np.arange(_SHORTEST)])
            strange = np.any(heads[:, :4] != np.frombuffer(_MAGIC, np.uint8), axis=1)
            if strange.any():
                keys = self._at(strange, start)
                raise DataError(f"{self.path}: no record begins where the .idx says, at keys {keys}")
            words, flags, plain, more = (
                np.ascontiguousarray(heads[:, at : at + 4]).view(kind)[:, 0]
                for at, kind in ((4, "<u4"), (8, "<u4"), (12, "<f4"), (32, "<f4"))
            )
            labels[block] = np.where(flags > 0, more, plain)
            for row in start + np.flatnonzero((words & 0x1FFFFFFF) < _SHORTEST - _PART.size):
                labels[row] = self._record(int(row))[0][0]
        return labels

    def _at(self, rows: NDArray[np.bool_], start: int = 0) -> str:
        return first_few(self.keys[start + np.flatnonzero(rows)])

    def _record(self, row: int) -> tuple[NDArray[np.float32], bytes]:
        """Labels and image of a record."""
        data = self._joined(row)
        if len(data) < _HEADER.size:
            raise self._damaged(row, "it is shorter than its header")
        flag, label, _, _ = _HEADER.unpack_from(data)
        end = _HEADER.size + 4 * flag
        if len(data) < end:
            raise self._damaged(row, f"it announces {flag} labels and ends before them")
        labels = np.frombuffer(data[_HEADER.size : end], "<f4") if flag else np.array([label], np.float32)
        return labels, data[end:]

    def _joined(self, row: int) -> bytes:
        """The data of a record, split ones put together with the magic number between their parts."""
        at, parts = int(self.offsets[row]), list[bytes]()
        while True:
            head = bytes(self.content[at : at + _PART.size])
            if len(head) < _PART.size or head[:4] != _MAGIC:
                raise self._damaged(row, f"no record begins at byte {at}")
            _, word = _PART.unpack(head)
            kind, length = word >> 29, word & 0x1FFFFFFF
            if kind not in ((0, 1) if not parts else (2, 3)):
                raise self._damaged(row, f"a part of kind {kind} stands at byte {at}")
            at += _PART.size
            part = bytes(self.content[at : at + length])
            if len(part) < length:
                raise self._damaged(row, "the file ends within it")
            parts.append(part)
            if kind in (0, 3):
                return _MAGIC.join(parts)
            at += length + -length % 4

    def _damaged(self, row: int, what: str) -> ImageError:
        return ImageError("damaged", f"{self.path}: record {self.keys[row]} is damaged: {what}")
