"""A folder of aligned faces: PNG files, who they show, where their landmarks lie, and what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few, same_length
from ..core.errors import DataError
from ..core.types import FaceCrops, Failure, SampleSet
from .atomic import HEADER, atomic
from .images import read_image, write_image
from .provenance import Provenance, digest
from .store import (
    FAILURES,
    SAMPLES,
    read_failures,
    read_json,
    samples_of,
    write_failures,
    write_json,
    write_samples,
)
from .tables import Table, read_table


@dataclass(frozen=True)
class CropFolder:
    """Crops that stay in their files until they are loaded.

    Attributes:
        folder: Where they lie.
        crop: Alignment convention, ``"arcface"`` or ``"dlib"``.
        table: One row a crop, as in ``samples.parquet``.
    """

    folder: Path
    crop: str
    table: Table

    @classmethod
    def open(cls, folder: Path, *, crop: str | None = None) -> CropFolder:
        """Open a folder that `write_crops` wrote.

        Args:
            folder: Where it is.
            crop: Alignment convention that is needed, if one is.

        Raises:
            DataError: If the folder is another one (of photographs, say), its crops have another convention,
                or a file in it is missing or damaged.
        """
        if folder.is_dir() and not (folder / HEADER).exists():
            raise DataError(
                f"{folder} has no {HEADER}, so it holds no crops; make them from photographs: "
                f"fiqa crop {folder} -o crops/"
            )
        header = read_json(folder / HEADER)
        if "crop" not in header:
            raise DataError(f"{folder / HEADER} names no crop convention: {folder} holds no crops")
        if crop not in (None, header["crop"]):
            raise DataError(
                f"{folder} holds {header['crop']} crops and {crop} crops are needed: "
                f"crop the photographs again with --crop {crop}"
            )
        return cls(folder, header["crop"], read_table(folder / SAMPLES))

    @cached_property
    def samples(self) -> SampleSet:
        """The n samples in row order, with paths of their PNG files."""
        stored = samples_of(self.table)
        return SampleSet(stored.sample_ids, stored.subject_ids, self._files)

    @cached_property
    def _files(self) -> NDArray[np.str_]:
        names = self.table.texts("path").tolist()
        return np.array([str(self.folder / name) for name in names], dtype=np.str_)

    @cached_property
    def digest(self) -> str:
        """Equal for equal content: SHA-256 of the table, which carries settings and input digests."""
        return digest(self.folder / SAMPLES)

    @property
    def failures(self) -> list[Failure]:
        """What could not be cropped."""
        return read_failures(self.folder / FAILURES)

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, rows: slice | NDArray[np.int64]) -> FaceCrops:
        """Read the crops at these rows.

        Raises:
            ImageError: If a file is missing or damaged.
            DataError: If the crops differ in size.
        """
        paths = self._files[rows].tolist()
        if not paths:
            raise DataError(f"{self.folder}: no rows were asked for")
        images = [read_image(Path(path)) for path in paths]
        odd = [path for path, image in zip(paths, images, strict=True) if image.shape != images[0].shape]
        if odd:
            raise DataError(f"crops must share one size, {images[0].shape} like {paths[0]}; {first_few(odd)}")
        landmarks = self._optional("landmarks", rows)
        return FaceCrops(
            np.stack(images),
            None if landmarks is None else landmarks.reshape(-1, 5, 2),
            self._optional("source_scale", rows),
        )

    def _optional(self, name: str, rows: slice | NDArray[np.int64]) -> NDArray[Any] | None:
        return self.table.column(name)[rows] if name in self.table else None


@contextmanager
def write_crops(folder: Path, *, crop: str, provenance: Provenance) -> Iterator[CropWriter]:
    """Write a folder of crops batch by batch; it appears under its name when the block ends well.

    The crop of sample ``ada/1.jpg`` becomes ``ada/1.jpg.png``, so that ``ada/1.png`` has room beside it.

    Args:
        folder: Folder to write; one written before is replaced.
        crop: Alignment convention.
        provenance: What makes them.

    Raises:
        DataError: If two crops have one sample id, or the folder cannot be written.
    """
    with atomic(folder) as temporary:
        temporary.mkdir()
        writer = CropWriter(temporary)
        yield writer
        writer.close(crop, provenance)


class CropWriter:
    """Takes crops and failures batch by batch; made by `write_crops`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._failures: list[Failure] = []

    def add(
        self, samples: SampleSet, crops: FaceCrops, *, columns: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        """Write k crops of k samples.

        Args:
            samples: Whom they show; paths, where given, are those of the photos.
            crops: Their pixels and, where known, landmarks and source scale.
            columns: More columns (k,) for the table, the same names in each batch.

        Raises:
            DataError: If counts or column names do not match, or a sample id leads out of the folder.
        """
        own = {"photo": samples.paths, "landmarks": crops.landmarks, "source_scale": crops.source_scale}
        given = {name: column for name, column in own.items() if column is not None} | dict(columns or {})
        files = [_file_of(sample_id) for sample_id in samples.sample_ids.tolist()]
        given |= {"sample_id": samples.sample_ids, "subject_id": samples.subject_ids}
        given |= {"path": np.array(files, dtype=np.str_)}
        same_length(crops=crops.images, **given)
        if not len(samples):
            return
        if self._columns and set(given) != set(self._columns):
            raise DataError(f"batches must share columns: {', '.join(self._columns)}; got {', '.join(given)}")
        for name, column in given.items():
            self._columns.setdefault(name, []).append(column)
        for file, image in zip(files, crops.images, strict=True):
            write_image(self._folder / file, image)

    def fail(self, failures: Sequence[Failure]) -> None:
        """Record what could not be cropped."""
        self._failures.extend(failures)

    def close(self, crop: str, provenance: Provenance) -> None:
        """Write the table, the failures and the header."""
        columns = {name: np.concatenate(parts) for name, parts in self._columns.items()}
        empty = np.zeros(0, dtype=np.str_)
        samples = SampleSet(*(columns.pop(name, empty) for name in ("sample_id", "subject_id", "path")))
        if "landmarks" in columns:
            columns["landmarks"] = columns["landmarks"].reshape(-1, 10)
        write_samples(self._folder / SAMPLES, samples, columns=columns, provenance=provenance)
        write_failures(self._folder / FAILURES, self._failures)
        write_json(self._folder / HEADER, {"crop": crop, "provenance": provenance.to_json()})


def _file_of(sample_id: str) -> str:
    path = PurePosixPath(sample_id)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"sample id {sample_id!r} leads out of the folder; ids must be relative names")
    return f"{sample_id}.png"
