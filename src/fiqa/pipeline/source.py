"""Where aligned faces come from: photographs, aligned images in files or in one archive, or a crop folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.ahead import by_threads
from ..core.errors import DataError
from ..core.protocols import InputSpec, Progress
from ..core.types import FaceCrops, Failure, SampleSet
from ..faces.choose import Policy
from ..faces.detect import Detector
from ..faces.extract import Extraction, extract
from ..io.archives import SUFFIXES, Archive, open_archive
from ..io.atomic import HEADER
from ..io.crops import CropFolder
from ..io.images import ImageError, read_image
from ..io.samples import find_images
from ..io.store import read_samples

CHUNK = 256
"""Photographs a chunk: what is lost at most when a run is killed."""
WORKERS = 2
"""Threads that find faces; each holds one photograph at a time."""
_FAILURE = "failure_"


@dataclass(frozen=True, eq=False)
class Batch:
    """Faces of some photographs.

    Attributes:
        rows: (n,) row in the source of each face's photograph.
        samples: One sample a face (ids of further faces of a photograph end in ``#1``, ``#2`` ...).
        crops: The aligned faces, in that order.
        columns: Further facts by column name, (n,) each: ``face``, and from photographs ``confidence`` and
            the box as ``box_x``, ``box_y``, ``box_width``, ``box_height``.
        failures: Photographs without a face, and why.
    """

    rows: NDArray[np.int64]
    samples: SampleSet
    crops: FaceCrops
    columns: Mapping[str, NDArray[Any]]
    failures: tuple[Failure, ...] = ()

    @property
    def paths(self) -> NDArray[np.str_]:
        """(n,) file of each face's image."""
        assert self.samples.paths is not None  # every source reads files
        return self.samples.paths


class Source(Protocol):
    """Faces in chunks of photographs.

    Attributes:
        samples: The photographs.
        earlier: What an earlier stage could not process; it is not among the samples.
    """

    samples: SampleSet
    earlier: Sequence[Failure]

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """The faces of the photographs at these rows."""
        ...


def open_source(
    path: Path | SampleSet,
    spec: InputSpec,
    *,
    aligned: bool = False,
    face: Policy = "largest",
    strict: bool = False,
    workers: int = WORKERS,
) -> Source:
    """Open photographs, aligned images, or a folder written by `fiqa crop`.

    Args:
        path: Folder of images, list of them (CSV or Parquet), ``.bin`` or ``.rec`` file of ArcFace crops,
            crop folder, or samples with paths.
        spec: Size and alignment convention of the crops wanted.
        aligned: Take the images as crops instead of looking for faces.
        face: Which face of a photograph is meant.
        strict: Whether several faces where one is meant are a failure.
        workers: Threads that find faces; each holds one photograph at a time.

    Raises:
        DataError: If there are no images, or a crop folder or archive has another convention.
    """
    if isinstance(path, SampleSet):
        samples = path
    elif (path / HEADER).exists():
        return CroppedFaces(CropFolder.open(path, crop=spec.crop))
    elif is_archive(path):
        if spec.crop != "arcface":
            raise DataError(
                f"{path} holds arcface crops and {spec.crop} crops are needed: take the photographs"
            )
        return ArchivedImages(open_archive(path), spec)
    else:
        samples = find_images(path) if path.is_dir() else read_samples(path)
    if aligned:
        return AlignedImages(samples, spec)
    return Photographs(samples, spec, face=face, strict=strict, workers=workers)


def is_archive(path: Path) -> bool:
    """Whether this is a ``.bin`` or ``.rec`` file."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def chunks(
    source: Source, rows: NDArray[np.int64] | None = None, *, size: int = CHUNK
) -> list[NDArray[np.int64]]:
    """Rows of the source, all of them unless some are given, in chunks of at most `size`."""
    rows = np.arange(len(source.samples)) if rows is None else rows
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def in_images(progress: Progress, todo: Sequence[NDArray[np.int64]]) -> Progress:
    """Tells progress in images where it is counted in chunks of them."""
    ends = np.cumsum([0, *map(len, todo)]).tolist()
    return lambda done, _: progress(ends[done], ends[-1])


def failure_columns(failures: Sequence[Failure]) -> dict[str, NDArray[np.str_]]:
    """Failures as columns, to be kept with a chunk's results."""
    return {
        f"{_FAILURE}{field.name}": np.array([getattr(item, field.name) for item in failures], dtype=np.str_)
        for field in fields(Failure)
    }


def failures_from(columns: dict[str, NDArray[Any]]) -> list[Failure]:
    """Take the failures out of the columns of `failure_columns`."""
    values = [columns.pop(f"{_FAILURE}{field.name}").tolist() for field in fields(Failure)]
    return [Failure(*row) for row in zip(*values, strict=True)]


class CroppedFaces:
    """A folder written by `fiqa crop`."""

    def __init__(self, folder: CropFolder) -> None:
        self.folder, self.samples = folder, folder.samples
        self.earlier: Sequence[Failure] = folder.failures

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """The crops at these rows; they have been checked when they were written."""
        samples = _rows(self.samples, rows)
        return Batch(rows, samples, self.folder.load(rows), {"face": np.zeros(len(rows), np.int64)})


class AlignedImages:
    """Images that are aligned crops already; one of another size is a failure."""

    earlier: Sequence[Failure] = ()

    def __init__(self, samples: SampleSet, spec: InputSpec) -> None:
        self.samples, self.spec = samples, spec

    def read(self, row: int) -> Path | bytes:
        """The file of an image, or its bytes."""
        return _file_at(self.samples, row)

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """Decode the images at these rows."""
        size = self.spec.size
        kept, images, failures = [], [], []
        for row, image in _decoded(self.samples, rows, self.read):
            if isinstance(image, Failure):
                failures.append(image)
            elif image.shape[:2] != (size, size):
                message = f"expected {size} x {size}, got {image.shape[1]} x {image.shape[0]}"
                failures.append(Failure(str(self.samples.sample_ids[row]), "crop", "wrong_size", message))
            else:
                kept.append(row)
                images.append(image)
        crops = FaceCrops(np.stack(images) if images else np.zeros((0, size, size, 3), np.uint8))
        columns = {"face": np.zeros(len(kept), np.int64)}
        kept_rows = np.array(kept, np.int64)
        return Batch(kept_rows, _rows(self.samples, kept_rows), crops, columns, tuple(failures))


class ArchivedImages(AlignedImages):
    """Aligned images in a ``.bin`` or ``.rec`` file; paths read ``FILE#ID``."""

    def __init__(self, archive: Archive, spec: InputSpec) -> None:
        super().__init__(archive.samples, spec)
        self.archive = archive

    def read(self, row: int) -> bytes:
        """The bytes of an image."""
        return self.archive.encoded(row)

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """Decode the images at these rows."""
        batch = super().load(rows)
        ids = batch.samples.sample_ids
        paths = np.array([f"{self.archive.path}#{name}" for name in ids], dtype=np.str_)
        return replace(batch, samples=SampleSet(ids, batch.samples.subject_ids, paths))


class Photographs:
    """Photographs whose faces are detected and aligned when asked for."""

    earlier: Sequence[Failure] = ()

    def __init__(
        self,
        samples: SampleSet,
        spec: InputSpec,
        *,
        face: Policy,
        strict: bool,
        workers: int = WORKERS,
    ) -> None:
        self.samples, self.spec, self.workers = samples, spec, workers
        self.face: Policy = face
        self.strict = strict
        self.detector = Detector(threads=1)

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """Decode the photographs at these rows and cut out their faces."""
        found = list(by_threads(self._extract, rows.tolist(), workers=self.workers))
        failures = [result.failure for result in found if result.failure]
        crops = [result.crops for result in found]
        counts = np.array([len(item) for item in crops], dtype=np.int64)
        row_of_face = np.repeat(rows, counts)
        face = np.concatenate([np.arange(count) for count in counts]) if len(counts) else counts
        faces = [item for result in found for item in result.faces]
        boxes = np.array([item.box for item in faces], np.float64).reshape(-1, 4)
        columns = {
            "face": face.astype(np.int64),
            "confidence": np.array([item.confidence for item in faces], np.float64),
            **{f"box_{name}": boxes[:, at] for at, name in enumerate(("x", "y", "width", "height"))},
        }
        joined = FaceCrops(
            _join([item.images for item in crops], (0, self.spec.size, self.spec.size, 3), np.uint8),
            _join([item.landmarks for item in crops], (0, 5, 2), np.float32),
            _join([item.source_scale for item in crops], (0,), np.float32),
        )
        samples = _rows(self.samples, row_of_face, face)
        return Batch(row_of_face, samples, joined, columns, tuple(failures))

    def _extract(self, row: int) -> Extraction:
        """The faces of one photograph; one that cannot be read is a failure."""
        image = _decode(self.samples, row, lambda row: _file_at(self.samples, row))
        if isinstance(image, Failure):
            return Extraction.failed(image, size=self.spec.size)
        return extract(
            image,
            self.detector,
            sample_id=str(self.samples.sample_ids[row]),
            crop=self.spec.crop,
            size=self.spec.size,
            face=self.face,
            strict=self.strict,
        )


def _file_at(samples: SampleSet, row: int) -> Path:
    if samples.paths is None:
        raise DataError("these samples have no paths; give a folder or a list with a `path` column")
    return Path(str(samples.paths[row]))


def _decoded(
    samples: SampleSet, rows: NDArray[np.int64], read: Callable[[int], Path | bytes]
) -> Iterator[tuple[int, NDArray[np.uint8] | Failure]]:
    """Decode aligned images a little ahead in a thread; one that cannot be read comes as a Failure."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        images = pool.map(lambda row: _decode(samples, row, read), rows.tolist())
        yield from zip(rows.tolist(), images, strict=True)


def _decode(samples: SampleSet, row: int, read: Callable[[int], Path | bytes]) -> NDArray[np.uint8] | Failure:
    try:
        return read_image(read(row))
    except ImageError as error:
        return Failure(str(samples.sample_ids[row]), "crop", error.reason, str(error))


def _rows(samples: SampleSet, rows: NDArray[np.int64], face: NDArray[np.int64] | None = None) -> SampleSet:
    """The samples at these rows; further faces of a photograph get an id of their own."""
    ids = samples.sample_ids[rows]
    if face is not None and np.any(face > 0):
        ids = np.array([f"{name}#{n}" if n else name for name, n in zip(ids, face, strict=True)])
    return SampleSet(ids, samples.subject_ids[rows], None if samples.paths is None else samples.paths[rows])


def _join(parts: list[NDArray[Any] | None], empty: tuple[int, ...], kind: type) -> NDArray[Any]:
    present = [part for part in parts if part is not None and len(part)]
    return np.concatenate(present) if present else np.zeros(empty, kind)
