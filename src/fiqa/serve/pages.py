"""The files of the page, by the path that they are served at."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response

_FOLDER = Path(__file__).parent / "page"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src blob:; base-uri 'none'; form-action 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
FILES = {"/" if path.stem == "index" else f"/{path.name}": path for path in sorted(_FOLDER.iterdir())}


def page_file(path: str) -> Response:
    """The file at one of the paths in `FILES`."""
    file = FILES[path]
    return Response(file.read_bytes(), media_type=_KINDS[file.suffix], headers=_HEADERS)
