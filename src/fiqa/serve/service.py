"""All that one running service is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..deploy.scorer import Scorer
from .batching import Batcher, QueueFullError
from .gate import busy
from .judge import Judge, Judged, Upload
from .limits import Limits
from .metrics import Metrics

LARGEST_BATCH = 8


class Service:
    """A scorer behind a queue.

    Attributes:
        scorer: Finds and scores all faces of an image.
        limits: What a client may ask for.
        batcher: Judges images in threads.
        metrics: Counts.
    """

    def __init__(self, scorer: Scorer, limits: Limits, *, workers: int) -> None:
        self.scorer, self.limits = scorer, limits
        self._judge = Judge(scorer, limits)
        self.batcher: Batcher[Upload, Judged] = Batcher(
            self._counted, workers=workers, largest=LARGEST_BATCH, capacity=limits.queue
        )
        self.metrics = Metrics(lambda: self.batcher.load)

    async def judge(self, uploads: Sequence[Upload]) -> list[Judged]:
        """What is said of each image, in order.

        Raises:
            Refused: If the queue has no room for all of them.
        """
        try:
            futures = self.batcher.submit(uploads)
        except QueueFullError as full:
            raise busy(full.seconds) from full
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    def _counted(self, uploads: Sequence[Upload]) -> list[Judged]:
        judged = self._judge(uploads)
        self.metrics.batch([one.image for one in judged])
        return judged
