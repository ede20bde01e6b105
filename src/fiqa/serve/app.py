"""The routes: REST under ``/v1``, the page at ``/``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, File, Query, Request, Response, Security, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from fiqa import __version__

from ..deploy.scorer import Scorer
from .gate import Gate, Refused, refusal
from .judge import Upload
from .limits import Limits
from .metrics import CONTENT_TYPE
from .pages import FILES, page_file
from .schema import (
    Compared,
    Explained,
    Face,
    Health,
    Image,
    Model,
    ModelId,
    Models,
    Problem,
    Quality,
    Reason,
    Scored,
)
from .service import Service

_NAME_LENGTH = 255
_REASONS: dict[int, Reason] = {404: "not_found", 405: "method_not_allowed"}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body cannot be read."},
    408: {"model": Problem, "description": "The body did not arrive in time."},
    413: {"model": Problem, "description": "Too many bytes or images."},
    415: {"model": Problem, "description": "Not multipart."},
    422: {"model": Problem, "description": "What was sent cannot be used."},
    429: {
        "model": Problem,
        "description": "The queue is full.",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}},
    },
}
_UNAUTHORISED: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "Token missing."}}


def service_of(request: Request) -> Service:
    """The service that an application serves."""
    service: Service = request.app.state.service
    return service


Asked = Annotated[Service, Depends(service_of)]
Images = Annotated[list[UploadFile], File(description="JPEG, PNG, BMP, TIFF, WebP, GIF, PGM or PPM files")]
guarded, free = APIRouter(), APIRouter()


@guarded.post("/v1/score", responses=_REFUSALS)
async def score(images: Images, service: Asked) -> Scored:
    """Find and score the faces of one or many images; an image without a result says why."""
    if len(images) > service.limits.images:
        most = service.limits.images
        raise Refused(413, "too_many_images", f"a request may have {most} images, got {len(images)}")
    judged = await service.judge([await _upload(image) for image in images])
    return Scored(model=ModelId.of(service.scorer.card), images=[one.image for one in judged])


@guarded.post("/v1/compare", responses=_REFUSALS)
async def compare(images: Images, service: Asked) -> Compared:
    """Say how far a comparison of two images, by their largest faces, can be trusted."""
    if len(images) != 2:
        raise Refused(422, "two_images_needed", f"a comparison takes two images, got {len(images)}")
    judged = await service.judge([await _upload(image) for image in images])
    faces = [_largest_face(one.image, ("first image", "second image")[n]) for n, one in enumerate(judged)]
    worse: Literal[0, 1] = 1 if faces[1].score < faces[0].score else 0
    quality = Quality(**{name: getattr(faces[worse], name) for name in Quality.model_fields})
    fnmr = quality.expected_fnmr
    return Compared(
        model=ModelId.of(service.scorer.card),
        quality=quality,
        worse=worse,
        match_reliability=None if fnmr is None else 1 - fnmr,
        faces=faces,
    )


@guarded.post("/v1/explain", responses=_REFUSALS)
async def explain(
    image: Annotated[UploadFile, File(description="An image")],
    service: Asked,
    face: Annotated[int, Query(ge=0, description="Which face, 0 = the largest")] = 0,
) -> Explained:
    """Map where the quality of a face is carried and lost: 145 crops are scored for it."""
    (judged,) = await service.judge([await _upload(image, explain=face)])
    _largest_face(judged.image, "image")
    if judged.heat_map is None:
        count = len(judged.image.faces)
        raise Refused(422, "no_such_face", f"the image has {count} faces, numbered from 0; got {face}")
    model = ModelId.of(service.scorer.card)
    return Explained(model=model, face=judged.image.faces[face], heat_map=judged.heat_map)


@guarded.get("/v1/models")
async def models(service: Asked) -> Models:
    """What the model is, from its card."""
    return Models(models=[Model.of(service.scorer.card)])


@guarded.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: Asked) -> Response:
    """Counters in the text format of Prometheus."""
    return Response(service.metrics.text(), headers={"content-type": CONTENT_TYPE})


@free.get("/healthz")
async def healthz() -> Health:
    """Whether the service is up."""
    return Health()


free.add_api_route("/healthz", healthz, methods=["HEAD"], include_in_schema=False)
for _path in FILES:
    free.add_api_route(_path, partial(page_file, _path), methods=["GET", "HEAD"], include_in_schema=False)


def create_app(scorer: Scorer, limits: Limits | None = None, *, workers: int = 2) -> FastAPI:
    """The service as an ASGI application.

    Args:
        scorer: Made with ``face="all"`` and one thread: images are judged side by side.
        limits: What clients may ask for.
        workers: Images judged side by side.
    """
    service = Service(scorer, limits or Limits(), workers=workers)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        with service.batcher:
            yield

    app = FastAPI(
        title="fiqa",
        version=__version__,
        summary="How useful face images are for recognition; higher = more useful.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=running,
        exception_handlers={HTTPException: _refused, RequestValidationError: _invalid},
    )
    app.state.service = service
    if service.limits.token is None:
        app.include_router(guarded)
    else:  # the gate has checked the token by then
        app.include_router(
            guarded, dependencies=[Security(HTTPBearer(auto_error=False))], responses=_UNAUTHORISED
        )
    app.include_router(free)
    app.add_middleware(Gate, service=service)
    return app


async def _upload(file: UploadFile, *, explain: int | None = None) -> Upload:
    """What was sent; a name that is no text is made one."""
    name = (file.filename or "").encode("utf-8", "replace").decode()
    return Upload(name[:_NAME_LENGTH], await file.read(), explain)


def _largest_face(image: Image, what: str) -> Face:
    if image.problem is not None:
        raise Refused(422, image.problem.reason, f"{what}: {image.problem.message}")
    return image.faces[0]


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return refusal(error)
    reason = _REASONS.get(error.status_code, "malformed")
    return refusal(Refused(error.status_code, reason, error.detail, error.headers))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Sequence[Any] = error.errors()[:1]
    message = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in first)
    if "UploadFile" in message:
        message = "images are sent as files, such as -F images=@photo.jpg"
    return refusal(Refused(422, "malformed", message))
