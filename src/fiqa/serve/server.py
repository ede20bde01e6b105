"""`fiqa serve`: the application on a port, until it is told to stop."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from ..core.ahead import available_processors
from ..core.errors import SettingsError
from ..core.optional import require
from ..deploy.scorer import Scorer
from .limits import Limits

_GRACE = 20
"""Seconds that requests have to end after the service is told to stop."""
_BACKLOG = 1024
"""Connections that may wait to be taken."""
_TURN = 1e-4
"""Seconds after which a thread that computes hands over to one that waits: answers and refusals come from one
thread beside the workers, and with the usual 5 ms each of its many short turns would wait that long."""


def serve(
    model: str | Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    workers: int | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a model until SIGINT or SIGTERM; what has been let in is answered first.

    The model is read once: its file may go away meanwhile.

    Args:
        model: An ONNX file of `fiqa export`, or a name in `fiqa models`; None takes the shipped model.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        limits: What clients may ask for.
        workers: Images judged side by side; None takes one a core.
        announce: Called with the address of the page once the port is taken.

    Raises:
        MissingDependencyError: If the extra ``serve`` is not installed.
        SettingsError: If the port cannot be taken, or there are no workers.
        WeightsError: If the model is absent or damaged.
    """
    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        require(module, extra="serve", purpose="serve a model")
    import uvicorn

    from .app import create_app

    workers = available_processors() if workers is None else workers
    if workers < 1:
        raise SettingsError(f"workers must be 1 or more, got {workers}")
    sys.setswitchinterval(_TURN)
    app = create_app(Scorer(model, face="all", threads=1), limits, workers=workers)
    with contextlib.suppress(KeyboardInterrupt), listening(host, port) as taken:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE,
            backlog=_BACKLOG,
        )
        address = f"[{host}]" if ":" in host else host
        announce(f"http://{address}:{taken.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[taken])


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections at an address, to be closed by the caller.

    Raises:
        SettingsError: If the port is in use or not allowed, or the host is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) where it is told that this is TCP
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        taken.close()
        foreign = isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
        way_out = (
            "--host takes an address of this machine"
            if foreign
            else "choose another by --port, 0 for a free one"
        )
        raise SettingsError(
            f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}; {way_out}"
        ) from error
    return taken
