"""Long work in chunks: what was done before a kill is not done again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import Progress, silent
from .atomic import atomic
from .provenance import Provenance

Chunk = dict[str, NDArray[Any]]

Each = Callable[[Callable[[int], Chunk], Iterable[int]], Iterator[Chunk]]
"""Applies a function to each item and gives the results in order, as `map` does."""

_KEY = "key.txt"


def parts_folder(output: Path) -> Path:
    """Hidden folder beside an output, for what is finished of it."""
    return output.with_name(f".parts-{output.name}")


class Parts:
    """Results of numbered chunks, each in a file of its own until all are there.

    Args:
        folder: Folder of the parts; nothing else belongs there.
        key: Names settings and inputs. Parts under another key are stale and removed.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    @classmethod
    def beside(cls, output: Path, provenance: Provenance) -> Parts:
        """Parts in a hidden folder next to an output, keyed by what will be written into the output."""
        text = json.dumps(provenance.to_json(), sort_keys=True, default=str)
        return cls(parts_folder(output), hashlib.sha256(text.encode()).hexdigest())

    def run(
        self, n_chunks: int, work: Callable[[int], Chunk], *, progress: Progress = silent, each: Each = map
    ) -> None:
        """Do the chunks that are not there yet, in order.

        Args:
            n_chunks: Number of chunks.
            work: Takes a chunk number, returns its columns; the same names from every chunk.
            each: Applies the work to numbers, in order; a `map` that works ahead does several at a time.
            progress: Called with (chunks done, n_chunks), first with those done by an earlier run.

        Raises:
            DataError: If a result holds Python objects, or a part cannot be written.
        """
        self._claim()
        missing = [number for number in range(n_chunks) if not self._file(number).exists()]
        done = n_chunks - len(missing)
        progress(done, n_chunks)
        for number, columns in zip(missing, each(work, missing), strict=True):
            objects = [name for name, column in columns.items() if column.dtype.hasobject]
            if objects:
                raise DataError(f"chunks are kept as plain arrays, got objects in {', '.join(objects)}")
            with atomic(self._file(number)) as temporary:
                np.savez(temporary, **columns)  # type: ignore[arg-type]
            progress(done := done + 1, n_chunks)

    def __iter__(self) -> Iterator[Chunk]:
        """The chunks that are there, in order of their numbers."""
        for path in sorted(self.folder.glob("[0-9]*.npz")):
            with np.load(path, allow_pickle=False) as columns:
                yield dict(columns)

    def collect(self) -> Chunk:
        """Each column, joined over the chunks; empty where there are none."""
        chunks = list(self)
        names = chunks[0] if chunks else {}
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}

    def remove(self) -> None:
        """Delete the parts; call it once the output is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _claim(self) -> None:
        file = self.folder / _KEY
        if not file.exists() or file.read_text() != self.key:
            self.remove()
            with atomic(file) as temporary:
                temporary.write_text(self.key)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08}.npz"
