"""What a request has to pass before its body is read: token, size, and room in the queue."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .pages import FILES
from .schema import Problem, Reason

if TYPE_CHECKING:
    from .service import Service

logger = logging.getLogger(__name__)

OPEN = (*FILES, "/healthz", "/openapi.json")
"""What needs no token: nothing of it tells of images."""
KNOWN = (*OPEN, "/metrics", "/v1/models", "/v1/score", "/v1/compare", "/v1/explain")
_PAUSE = 0.25
"""Seconds before a caller hears that all is busy: those who would be back at once, whatever they are told,
would take the time of those who have been let in."""


class Refused(HTTPException):
    """A request that is not served, and why.

    Attributes:
        reason: Code of the reason.
    """

    def __init__(
        self, status: int, reason: Reason, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.reason = reason


class Gate:
    """Middleware that refuses early and cheaply, and counts.

    Under overload most requests end here, without a body read, parsed or copied. Requests that are let in
    hold a bounded number of bytes in all, counted as they come, and have to arrive in time; until then they
    take no place in the queue, so that slow or idle senders keep nobody out.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service
        self._bodies: set[_Body] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 429:
                    await asyncio.sleep(_PAUSE)
            await send(message)

        try:
            await self._pass(scope, receive, counted)
        except Refused as refused:
            await refusal(refused)(scope, receive, counted)
        except Exception as error:
            if status:
                raise  # half of an answer is out
            logger.exception("%s %s", scope["method"], scope["path"])
            bug = Refused(500, "internal", f"this is a bug: {type(error).__name__}")
            await refusal(bug)(scope, receive, counted)
        finally:
            path = scope["path"] if scope["path"] in KNOWN else "other"
            self._service.metrics.request(path, status or 500, time.perf_counter() - start)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["path"] not in OPEN:
            self._check_token(headers.get("authorization", ""))
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        self._admit(headers)
        body = _Body(receive, self._over, self._service.limits.seconds)
        self._bodies.add(body)
        try:
            await self._app(scope, body, send)
        finally:
            self._bodies.remove(body)

    def _check_token(self, given: str) -> None:
        token = self._service.limits.token
        scheme, _, value = given.partition(" ")
        if token is None or (
            scheme.lower() == "bearer" and hmac.compare_digest(value.encode("latin-1"), token.encode())
        ):
            return
        message = "this service wants the header Authorization: Bearer TOKEN"
        raise Refused(401, "unauthorised", message, {"www-authenticate": "Bearer"})

    def _admit(self, headers: Headers) -> None:
        """Refuse what need not be read."""
        limits, batcher = self._service.limits, self._service.batcher
        if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise Refused(415, "not_multipart", "send images as multipart/form-data, field `images`")
        if int(headers.get("content-length", 0)) > limits.request_bytes:
            raise too_many_bytes(limits.request_bytes)
        if batcher.load >= batcher.capacity:
            raise busy(batcher.wait())

    def _over(self, received: int) -> Refused | None:
        """Why a request that has brought so many bytes may not go on, if it may not."""
        limits = self._service.limits
        if received > limits.request_bytes:
            return too_many_bytes(limits.request_bytes)
        if sum(body.received for body in self._bodies) > limits.bytes_in_flight:
            return busy(self._service.batcher.wait())
        return None


class _Body:
    """The body of a request as the application receives it, bounded in bytes and in time.

    Attributes:
        received: Bytes so far that the application has been given.
    """

    def __init__(self, receive: Receive, over: Callable[[int], Refused | None], seconds: float) -> None:
        self.received = 0
        self._receive, self._over, self._seconds = receive, over, seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._arrived = False

    async def __call__(self) -> Message:
        """The next part; of a refused body all parts are awaited, or the answer would be lost."""
        if self._arrived:
            return await self._receive()
        refused = None
        while True:
            message = await self._next()
            self._arrived = not message.get("more_body", False)
            if refused is None:
                self.received += len(message.get("body", b""))
                refused = self._over(self.received)
            if refused is None:
                return message
            if self._arrived:
                raise refused

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._receive()
        except TimeoutError as error:
            late = f"the request did not arrive within {self._seconds:g} s"
            raise Refused(408, "too_slow", late, {"connection": "close"}) from error


def too_many_bytes(most: int) -> Refused:
    """The request is larger than allowed."""
    return Refused(413, "too_many_bytes", f"a request may have {most} bytes")


def busy(seconds: int) -> Refused:
    """There is no room in the queue."""
    message = f"all places of the queue are taken; come back in {seconds} s"
    return Refused(429, "busy", message, {"retry-after": str(seconds)})


def refusal(refused: Refused) -> JSONResponse:
    """How a refusal is answered."""
    problem = Problem(reason=refused.reason, message=refused.detail)
    return JSONResponse(problem.model_dump(), refused.status_code, refused.headers)
