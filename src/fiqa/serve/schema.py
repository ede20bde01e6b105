"""What the service answers, as types; the OpenAPI document follows from them."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from ..core.types import REASONS
from ..deploy.card import Card

ImageReason = Literal["not_an_image", "damaged", "too_large", "too_small", "no_face"]
"""Why an image has no result, as in `fiqa.core.types.REASONS`."""
assert set(get_args(ImageReason)) <= set(REASONS)
Reason = (
    ImageReason
    | Literal["malformed", "not_multipart", "unauthorised", "not_found", "method_not_allowed", "no_such_face"]
    | Literal["too_many_bytes", "too_many_images", "two_images_needed", "too_slow", "busy", "internal"]
)


class Answer(BaseModel):
    """Base of all answers: nothing but the fields that are named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(Answer):
    """A place in the upright image; centres of pixels lie at whole numbers."""

    x: float
    y: float


class Box(Answer):
    """Edges of a face in pixels; may reach beyond the image."""

    left: float
    top: float
    right: float
    bottom: float


class FaceReason(Answer):
    """One thing that stands out about a face."""

    words: str = Field(description="in plain words, such as `too dark`")
    factor: str = Field(description="name of the measured factor")
    severity: float = Field(description="share of the usual level that is missing", ge=0, le=1)


class Quality(Answer):
    """How useful a face is for recognition; higher = more useful."""

    score: float = Field(description="native score of the model")
    score100: int = Field(description="whole points; 50 is the median of the reference set", ge=0, le=100)
    percentile: float = Field(description="place among the scores of the reference set", ge=0, le=100)
    expected_fnmr: float | None = Field(
        description="false non-match rate of mated pairs whose worse image has this score; "
        "null where the model is not calibrated",
        ge=0,
        le=1,
    )


class Face(Quality):
    """A face that was found."""

    box: Box
    landmarks: list[Point] = Field(
        description="right eye, left eye, nose, right and left mouth corner", min_length=5, max_length=5
    )
    confidence: float = Field(description="of the detector", ge=0, le=1)
    reasons: list[FaceReason] = Field(description="what stands out, worst first; mostly nothing")


class ImageProblem(Answer):
    """Why an image has no result."""

    reason: ImageReason
    message: str


class Image(Answer):
    """What was found in one image: faces, or a problem."""

    name: str = Field(description="file name as it was sent")
    width: int | None = Field(description="pixels, upright; null where the image cannot be read")
    height: int | None
    faces: list[Face] = Field(description="largest first")
    problem: ImageProblem | None


class ModelId(Answer):
    """Which model scored."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @classmethod
    def of(cls, card: Card) -> ModelId:
        """The name and digest on a card."""
        return cls(name=card.name, sha256=card.sha256)


class Scored(Answer):
    """Results in the order of the images sent."""

    model: ModelId
    images: list[Image]


class Compared(Answer):
    """What two images promise for their comparison."""

    model: ModelId
    quality: Quality = Field(description="that of the worse image: the worse one decides")
    worse: Literal[0, 1] = Field(description="which image that is")
    match_reliability: float | None = Field(
        description="probability that a recogniser accepts the pair if both show one person: "
        "1 - expected_fnmr of the worse image; null where the model is not calibrated",
        ge=0,
        le=1,
    )
    faces: list[Face] = Field(description="largest face of each image", min_length=2, max_length=2)


class HeatMap(Answer):
    """What happens to the score when a place of the face is hidden."""

    cells: list[list[float]] = Field(
        description="mean change of the native score in 14 x 14 cells of the aligned crop, row by row; "
        "below 0 the place carries quality, above 0 it costs quality"
    )
    corners: list[Point] = Field(
        description="of the crop in the image: top left, top right, bottom right, bottom left of the face "
        "as aligned",
        min_length=4,
        max_length=4,
    )


class Explained(Answer):
    """One face and where its quality comes from."""

    model: ModelId
    face: Face
    heat_map: HeatMap


class Calibration(Answer):
    """What `expected_fnmr` was counted on."""

    recogniser: str
    reference: str
    fmr: float | None
    threshold: float


class Model(ModelId):
    """A model that is served."""

    n_bytes: int
    precision: str
    licence: str
    terms: str
    reference: str = Field(description="set that 0 to 100 and the percentile refer to")
    n_reference: int
    calibration: Calibration | None
    limits: list[str] = Field(description="what the model is known not to do")

    @classmethod
    def of(cls, card: Card) -> Model:
        """What a card says."""
        known = card.calibration
        return cls(
            name=card.name,
            sha256=card.sha256,
            n_bytes=card.n_bytes,
            precision=card.precision,
            licence=card.licence,
            terms=card.terms,
            reference=card.scale.reference,
            n_reference=card.scale.n_samples,
            calibration=None if known is None else Calibration.model_validate(known, from_attributes=True),
            limits=list(card.limits),
        )


class Models(Answer):
    """All models that are served."""

    models: list[Model]


class Health(Answer):
    """The service is up."""

    status: Literal["ok"] = "ok"


class Problem(Answer):
    """Why a request was refused."""

    reason: Reason
    message: str
