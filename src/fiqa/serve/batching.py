"""Dynamic batches: what many callers ask for at a time is done together, too much is refused."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_MEMORY = 0.9
"""Weight of the past in the mean time an item."""


class QueueFullError(Exception):
    """The queue is full.

    Attributes:
        seconds: Whole seconds, 1 or more, after which there should be room.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue is full; come back in {seconds} s")
        self.seconds = seconds


class Batcher(Generic[Item, Result]):
    """Threads that take what waits, at most `largest` items at once, and never wait for a batch to fill.

    They run inside a ``with`` block; its end finishes what is queued.

    Attributes:
        capacity: Items waiting and in work at a time.
        load: How many there are now.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        workers: int,
        largest: int,
        capacity: int,
    ) -> None:
        """Start nothing yet.

        Args:
            work: One result an item, in order; an error of it is that of all items of the batch.
            workers: Threads.
            largest: Items a batch.
            capacity: See the attributes.
        """
        self.capacity, self.load = capacity, 0
        self._work, self._largest = work, largest
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._changed = threading.Condition()
        self._open, self._pace = False, 0.0
        self._threads = [threading.Thread(target=self._run, name=f"batch-{n}") for n in range(workers)]

    def __enter__(self) -> Self:
        self._open = True
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, items: Sequence[Item]) -> list[Future[Result]]:
        """Queue all of the items, or none.

        Raises:
            QueueFullError: If they do not fit, or the threads do not run.
        """
        with self._changed:
            if not self._open or self.load + len(items) > self.capacity:
                raise QueueFullError(self.wait())
            self.load += len(items)
            futures: list[Future[Result]] = [Future() for _ in items]
            self._waiting.extend(zip(items, futures, strict=True))
            self._changed.notify_all()
        return futures

    def wait(self) -> int:
        """Whole seconds, 1 or more, until what is queued now should be done."""
        return max(1, math.ceil(self.load * self._pace / len(self._threads)))

    def _run(self) -> None:
        while batch := self._take():
            start = time.perf_counter()
            self._answer([pair for pair in batch if pair[1].set_running_or_notify_cancel()])
            pace = (time.perf_counter() - start) / len(batch)
            with self._changed:
                self.load -= len(batch)
                self._pace = _MEMORY * self._pace + (1 - _MEMORY) * pace if self._pace else pace

    def _take(self) -> list[tuple[Item, Future[Result]]]:
        """This thread's share of what waits; nothing once all is done and no more may come."""
        with self._changed:
            while not self._waiting and self._open:
                self._changed.wait()
            share = math.ceil(len(self._waiting) / len(self._threads))
            return [self._waiting.popleft() for _ in range(min(share, self._largest))]

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        if not batch:
            return  # all were given up while they waited
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:  # whoever asked has to know
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
