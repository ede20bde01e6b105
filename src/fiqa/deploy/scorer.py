"""The scorer: photographs or crops to what a deployed model says of their faces."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.ahead import available_processors, by_threads
from ..core.errors import DataError
from ..core.optional import require
from ..core.types import FaceCrops, Failure, QualityScores
from ..faces.choose import Policy, check_policy
from ..faces.detect import Detector, Face
from ..faces.extract import Extraction, extract
from ..io.images import ImageError, read_image
from ..io.inputs import Inputs
from ..io.samples import readable
from .card import Card
from .model import load_deployed

_CHUNK = 32
"""Photographs that one thread works through at a time."""

Image = str | Path | NDArray[np.uint8]
"""A file, or uint8 RGB (height, width, 3)."""


@dataclass(frozen=True, eq=False)
class ScoredFace:
    """A face and how useful it is for recognition.

    Attributes:
        box: Left, top, right, bottom in pixels of the photograph; may reach beyond it.
        landmarks: (5, 2) x, y of right eye, left eye, nose, right and left mouth corner, in pixels.
        confidence: Of the detector, in [0, 1].
        score: Native score of the model, higher = more useful.
        score100: Whole points from 0 to 100, see `fiqa.deploy.scale.Scale`.
        percentile: Place among the reference scores of the model's card, 0 to 100.
        expected_fnmr: FNMR to expect of mated pairs whose worse image is this one; None where the model is
            not calibrated.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    confidence: float
    score: float
    score100: int
    percentile: float
    expected_fnmr: float | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """Scored faces in the order of their photographs.

    Iterating gives pairs of a sample id and a `ScoredFace`.

    Attributes:
        method: Name of the model.
        sample_ids: One a face: the path of its file, relative to the folder where one was given, or the
            place of the array from 0; ids of further faces of a photograph end in ``#1``, ``#2`` and so on.
        faces: The faces.
        failures: Photographs without a face, and why.
    """

    method: str
    sample_ids: tuple[str, ...]
    faces: tuple[ScoredFace, ...]
    failures: tuple[Failure, ...]

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[tuple[str, ScoredFace]]:
        return zip(self.sample_ids, self.faces, strict=True)

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The table that `fiqa score` writes, paths left out: one array (n,) a column."""
        names = ["score", "score100", "percentile", "confidence"]
        if self.faces and self.faces[0].expected_fnmr is not None:
            names.insert(3, "expected_fnmr")
        columns = {name: np.array([getattr(face, name) for face in self.faces]) for name in names}
        left, top, right, bottom = np.array([face.box for face in self.faces]).reshape(-1, 4).T
        boxes = {"box_x": left, "box_y": top, "box_width": right - left, "box_height": bottom - top}
        return {"sample_id": np.array(self.sample_ids, np.str_), **columns, **boxes}

    @property
    def quality(self) -> QualityScores:
        """The native scores, as optimisation, training and evaluation take them.

        Raises:
            DataError: If a photograph was given twice.
        """
        return QualityScores(np.array(self.sample_ids, np.str_), self.columns["score"], self.method)

    def to_pandas(self) -> Any:
        """The columns as a pandas DataFrame."""
        return require("pandas", extra="frames", purpose="give a DataFrame").DataFrame(self.columns)

    def to_polars(self) -> Any:
        """The columns as a polars DataFrame."""
        return require("polars", extra="frames", purpose="give a DataFrame").DataFrame(self.columns)

    def to_arrow(self) -> Any:
        """The columns as a pyarrow Table."""
        return require("pyarrow", extra="lab", purpose="give an Arrow table").table(self.columns)


class Scorer:
    """Finds faces and says how useful they are for recognition; several threads may share one.

    Attributes:
        name: Of the model.
        card: What the model is.
        method: The model itself, for crops.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        face: Policy = "largest",
        threads: int | None = None,
    ) -> None:
        """Load the model and the detector.

        Args:
            model: An ONNX file of `fiqa export`, or a name in `fiqa models`; None takes the shipped model.
            face: Which faces of a photograph are meant: ``"largest"``, ``"central"`` or ``"all"``.
            threads: Cores to use; None takes all of them.

        Raises:
            SettingsError: If a setting is unknown or out of range, or no model is shipped.
            WeightsError: If model, card or detector are absent or damaged.
        """
        self.method = load_deployed(model, threads=threads)
        self.name: str = self.method.name
        self.card: Card = self.method.card
        self.face: Policy = check_policy(face)
        self._detector = Detector(threads=1)
        self._threads = threads or available_processors()

    def extract(self, image: NDArray[np.uint8], *, sample_id: str = "image") -> Extraction:
        """The aligned crops of a photograph, uint8 RGB (height, width, 3); without a face, why.

        Raises:
            DataError: If the image has another form.
        """
        spec = self.method.spec
        return extract(
            image, self._detector, sample_id=sample_id, crop=spec.crop, size=spec.size, face=self.face
        )

    def rate(self, found: Sequence[Extraction]) -> list[list[ScoredFace]]:
        """The scored faces of each photograph, by as few runs of the network as there can be."""
        if not any(one.faces for one in found):
            return [[] for _ in found]
        columns = self.crops(np.concatenate([one.crops.images for one in found]))
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        meanings = (dict(zip(columns, row, strict=True)) for row in rows)
        return [[_scored(face, next(meanings)) for face in one.faces] for one in found]

    def faces(self, image: Image) -> list[ScoredFace]:
        """The faces of a photograph, a file or uint8 RGB (height, width, 3), primary face first, if any.

        Raises:
            DataError: If the array has another form.
            ImageError: If the file cannot be read.
        """
        photo = read_image(Path(image)) if isinstance(image, str | Path) else image
        return self.rate([self.extract(photo)])[0]

    def crops(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """What the model says of aligned crops (n, size, size, 3), uint8 RGB.

        Returns:
            (n,) ``score``, ``score100``, ``percentile`` and, where the model is calibrated,
            ``expected_fnmr``.

        Raises:
            DataError: If the crops have another form or size.
        """
        scores = self.method.score(FaceCrops(crops))
        return {"score": scores, **self.method.columns(scores)}

    def score(self, images: Image | Iterable[Image]) -> Scores:
        """Score photographs; one that cannot be used becomes a failure and stops nothing.

        Args:
            images: Files or arrays (uint8 RGB), one or many; or a folder or a pattern (see `Inputs`).

        Raises:
            DataError: If an array is no RGB image.
        """
        ids: list[str] = []
        faces: list[ScoredFace] = []
        failures: list[Failure] = []
        for found in by_threads(self._chunk, _chunks(_named(images)), workers=self._threads):
            for name, failure, scored in found:
                failures += [] if failure is None else [failure]
                ids += [f"{name}#{n}" if n else name for n in range(len(scored))]
                faces += scored
        return Scores(self.name, tuple(ids), tuple(faces), tuple(failures))

    def _chunk(
        self, named: Sequence[tuple[str, Image]]
    ) -> list[tuple[str, Failure | None, list[ScoredFace]]]:
        found = [self._read(one) for one in named]
        return [
            (name, one.failure, scored)
            for (name, _), one, scored in zip(named, found, self.rate(found), strict=True)
        ]

    def _read(self, named: tuple[str, Image]) -> Extraction:
        name, image = named
        if not isinstance(image, np.ndarray):
            try:
                image = read_image(Path(image))
            except ImageError as error:
                failure = Failure(name, "crop", error.reason, str(error))
                return Extraction.failed(failure, size=self.method.spec.size)
        return self.extract(image, sample_id=name)


def _scored(face: Face, meaning: dict[str, Any]) -> ScoredFace:
    x, y, width, height = face.box.tolist()
    return ScoredFace((x, y, x + width, y + height), face.landmarks, face.confidence, **meaning)


def _chunks(named: Iterator[tuple[str, Image]]) -> Iterator[list[tuple[str, Image]]]:
    while chunk := list(itertools.islice(named, _CHUNK)):
        yield chunk


def _named(images: Image | Iterable[Image]) -> Iterator[tuple[str, Image]]:
    """Each image and its sample id."""
    if isinstance(images, str | Path):
        yield from Inputs.of([images])
        return
    many: Any = [images] if isinstance(images, np.ndarray) and images.ndim == 3 else images
    for place, image in enumerate(many):
        if not isinstance(image, str | Path | np.ndarray):
            raise DataError(f"expected files or uint8 RGB arrays, got {type(image).__name__} at {place}")
        yield str(place) if isinstance(image, np.ndarray) else readable(str(image)), image
