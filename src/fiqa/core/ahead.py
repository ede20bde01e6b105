"""Work done by several threads or machines, its results taken in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Task = TypeVar("Task")
Result = TypeVar("Result")


def ahead(
    items: Iterable[Item], *, begin: Callable[[Item], Task], end: Callable[[Task], Result], most: int
) -> Iterator[Result]:
    """Results in the order of the items, while work on the next ones goes on.

    Args:
        items: Taken one by one, so that there may be more of them than fit into memory.
        begin: Starts the work on an item.
        end: Waits for its result.
        most: How many may be begun and not ended.
    """
    begun: deque[Task] = deque()
    for item in items:
        begun.append(begin(item))
        if len(begun) >= most:
            yield end(begun.popleft())
    while begun:
        yield end(begun.popleft())


def by_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Iterator[Result]:
    """Results of a function in the order of its items, by so many threads of this process; 1 starts none."""
    if workers == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield from ahead(
            items,
            begin=lambda item: pool.submit(function, item),
            end=lambda task: task.result(),
            most=2 * workers,
        )
    finally:
        pool.shutdown(cancel_futures=True)


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
