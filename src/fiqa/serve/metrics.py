"""What the service has done so far, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from .schema import Image

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_POINTS = range(0, 100, 10)


class Metrics:
    """Counters of one service."""

    def __init__(self, load: Callable[[], float]) -> None:
        """Start from zero.

        Args:
            load: Images waiting and in work.
        """
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "fiqa_requests", "Requests answered.", ("path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "fiqa_request_seconds",
            "From the head of a request to the end of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._images = Counter("fiqa_images", "Images judged.", ("outcome",), registry=self._registry)
        self._points = Histogram(
            "fiqa_score100",
            "Quality of the faces found, 0 to 100.",
            buckets=_POINTS,
            registry=self._registry,
        )
        self._batch = Histogram(
            "fiqa_batch_images",
            "Images judged together.",
            buckets=(1, 2, 4, 8, 16),
            registry=self._registry,
        )
        queue = Gauge("fiqa_queue_images", "Images waiting and in work.", registry=self._registry)
        queue.set_function(load)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, images: Iterable[Image]) -> None:
        """Count images that were judged together."""
        count = 0
        for image in images:
            count += 1
            self._images.labels(image.problem.reason if image.problem else "scored").inc()
            for face in image.faces:
                self._points.observe(face.score100)
        self._batch.observe(count)

    def text(self) -> bytes:
        """All of it in the text format of Prometheus."""
        return generate_latest(self._registry)
