"""A running service for the tests, and images whose faces the stand-in `deployed.Bright` finds."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import uvicorn
from PIL import Image

from fiqa.deploy.scorer import Scorer
from fiqa.serve.app import create_app
from fiqa.serve.limits import Limits
from fiqa.serve.server import listening


@contextmanager
def running(scorer: Scorer, *, workers: int = 2, **limits) -> Iterator[httpx.Client]:
    """A client of a service on a port of its own."""
    app = create_app(scorer, Limits(**limits), workers=workers)
    with listening("127.0.0.1", 0) as taken:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}", timeout=60) as client:
                client.app = app
                yield client
        finally:
            server.should_exit = True
            thread.join()


def encoded(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def picture(level: int, *, size: tuple[int, int] = (90, 100), seed: int = 0) -> np.ndarray:
    """Noise around a grey level: no face at 0, one up to 150, two above."""
    noise = np.random.default_rng(seed).integers(-20, 21, (*size, 3))
    return (level + noise * (level > 0)).clip(0, 250 if level > 150 else 200).astype(np.uint8)


BLACK, DARK, GREY, BRIGHT = (encoded(picture(level)) for level in (0, 60, 120, 230))
