"""Bytes of images in, what is said of their faces out: a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import FaceCrops
from ..deploy.scorer import ScoredFace, Scorer
from ..explain.explanation import cells
from ..explain.factors import FACTOR_SPEC, factors
from ..explain.occlusion import occlusion_map
from ..explain.reasons import reasons
from ..faces.align import landmark_template, similarity, transform
from ..faces.extract import Extraction, cut_out
from ..io.images import ImageError, read_image
from .limits import Limits
from .schema import Box, Face, FaceReason, HeatMap, Image, ImageProblem, ImageReason, Point

_CELLS = 14


@dataclass(frozen=True)
class Upload:
    """An image as it was sent.

    Attributes:
        name: Of the file.
        content: Its bytes.
        explain: Which of its faces is to be explained, or None.
    """

    name: str
    content: bytes
    explain: int | None = None


@dataclass(frozen=True)
class Judged:
    """What is said of an image.

    Attributes:
        image: Its faces, or what is wrong with it.
        heat_map: Of the face that was to be explained, where there is one.
    """

    image: Image
    heat_map: HeatMap | None = None


@dataclass(frozen=True, eq=False)
class _Look:
    """An image of which the crops are left: `found` for the model, `measured` for the factors."""

    size: tuple[int, int] | tuple[None, None] = (None, None)
    found: Extraction | None = None
    measured: FaceCrops | None = None
    problem: ImageProblem | None = None


class Judge:
    """Scores, reasons and heat maps of images; several threads may share one.

    Attributes:
        scorer: Finds and scores the faces.
    """

    def __init__(self, scorer: Scorer, limits: Limits) -> None:
        self.scorer, self._limits = scorer, limits

    def __call__(self, uploads: Sequence[Upload]) -> list[Judged]:
        """One result an image, in order; the network and the factors run once for all of them."""
        looks = [self._look(upload) for upload in uploads]
        found = [look.found for look in looks if look.found is not None]
        rated = iter(self.scorer.rate(found))
        named = iter(_reasons([look.measured for look in looks if look.measured is not None]))
        judged = []
        for upload, look in zip(uploads, looks, strict=True):
            faces = [] if look.found is None else [_face(face, next(named)) for face in next(rated)]
            image = Image(
                name=upload.name,
                width=look.size[0],
                height=look.size[1],
                faces=faces,
                problem=look.problem,
            )
            asked = upload.explain
            judged.append(
                Judged(
                    image,
                    self._heat_map(look.found, asked)
                    if look.found is not None and asked is not None and asked < len(faces)
                    else None,
                )
            )
        return judged

    def _look(self, upload: Upload) -> _Look:
        """Decode an image and cut out its faces; its pixels are not kept."""
        try:
            image = read_image(upload.content, max_pixels=self._limits.pixels)
        except ImageError as error:
            return _Look(problem=_problem(error.reason, error.message))
        size = image.shape[1], image.shape[0]
        try:
            found = self.scorer.extract(image)
        except DataError as error:  # landmarks that no face has
            return _Look(size, problem=_problem("no_face", str(error)))
        if found.failure is not None:
            return _Look(size, problem=_problem(found.failure.reason, found.failure.message))
        return _Look(size, found, self._measured(image, found))

    def _measured(self, image: NDArray[np.uint8], found: Extraction) -> FaceCrops:
        """The crops that factors are measured on, those of the model where they are alike."""
        spec = self.scorer.method.spec
        if (spec.crop, spec.size) == (FACTOR_SPEC.crop, FACTOR_SPEC.size):
            return found.crops
        places = [face.landmarks for face in found.faces]
        return cut_out(image, places, crop=FACTOR_SPEC.crop, size=FACTOR_SPEC.size)

    def _heat_map(self, found: Extraction, row: int) -> HeatMap:
        method = self.scorer.method
        size = method.spec.size
        values = occlusion_map(method, found.crops.rows(slice(row, row + 1)))
        landmarks = found.faces[row].landmarks
        matrix = similarity(landmarks, landmark_template(method.spec.crop, size))
        back = np.linalg.inv(np.vstack((matrix, (0, 0, 1))))[:2]
        edges = np.array(((0, 0), (size, 0), (size, size), (0, size))) - 0.5
        return HeatMap(
            cells=cells(values, _CELLS).tolist(),
            corners=[Point(x=x, y=y) for x, y in transform(back, edges).tolist()],
        )


def _reasons(crops: Sequence[FaceCrops]) -> list[list[FaceReason]]:
    """What stands out about each face."""
    if not crops:
        return []
    together = FaceCrops.joined(crops)
    measured = factors(together)
    rows = ({name: float(column[row]) for name, column in measured.items()} for row in range(len(together)))
    return [
        [FaceReason(words=one.words, factor=one.factor, severity=one.severity) for one in reasons(row)]
        for row in rows
    ]


def _face(face: ScoredFace, found: list[FaceReason]) -> Face:
    left, top, right, bottom = face.box
    return Face(
        box=Box(left=left, top=top, right=right, bottom=bottom),
        landmarks=[Point(x=x, y=y) for x, y in face.landmarks.tolist()],
        confidence=face.confidence,
        reasons=found,
        score=face.score,
        score100=face.score100,
        percentile=face.percentile,
        expected_fnmr=face.expected_fnmr,
    )


def _problem(reason: str, message: str) -> ImageProblem:
    return ImageProblem(reason=cast(ImageReason, reason), message=message)
