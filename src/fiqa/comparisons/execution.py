"""How work that is split by subject is carried out: here in threads, elsewhere on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import scipy.linalg.cython_blas  # noqa: F401  (the BLAS behind compiled code: loaded to limit its threads)
from threadpoolctl import threadpool_limits

from ..core.ahead import available_processors
from ..core.protocols import Progress, silent

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")


class Execute(Protocol):
    """Applies a function to each chunk.

    The function and its chunks can be pickled, chunks do not depend on one another, and the results
    do not depend on where or in which order they were computed.
    """

    def __call__(
        self, function: Callable[[Chunk], Result], chunks: Sequence[Chunk], progress: Progress = silent
    ) -> list[Result]:
        """The results in the order of the chunks."""
        ...


def in_threads(workers: int | None = None) -> Execute:
    """Carry out work in threads of this process, one BLAS thread each.

    Args:
        workers: Number of threads; None takes the processors this process may use.
    """
    count = workers or available_processors()

    def execute(
        function: Callable[[Chunk], Result], chunks: Sequence[Chunk], progress: Progress = silent
    ) -> list[Result]:
        results = []
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(count) as pool:
            for result in pool.map(function, chunks):
                results.append(result)
                progress(len(results), len(chunks))
        return results

    return execute
