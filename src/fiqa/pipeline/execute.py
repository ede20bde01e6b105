"""Where work that is split by subject runs: threads of this process, or a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from ..core.ahead import ahead, by_threads
from ..core.optional import require
from ..core.protocols import Progress, silent
from ..io.parts import Each

if TYPE_CHECKING:
    from ..comparisons.execution import Execute


@contextmanager
def executor(name: Literal["local", "ray"]) -> Iterator[Execute]:
    """An executor for the time of the block; results are the same with either.

    Args:
        name: ``"local"``, or ``"ray"`` for the cluster that RAY_ADDRESS names, else one started on this
            machine for the time of the block. Its workers need this package and, for memory-mapped
            embeddings, the same file system.

    Raises:
        MissingDependencyError: If Ray is asked for and not installed.
    """
    if name == "local":
        from ..comparisons.execution import in_threads

        yield in_threads()
        return
    with _cluster() as ray:
        yield _on_cluster(ray)


@contextmanager
def each_by(name: Literal["local", "ray"], *, workers: int) -> Iterator[Each]:
    """A `map` that works ahead, for the time of the block: by threads, or by a cluster as in `executor`.

    On a cluster the function is unpacked once by each process, and the workers need the files that it reads.

    Args:
        name: ``"local"`` or ``"ray"``.
        workers: Threads; a cluster uses all its processors.

    Raises:
        MissingDependencyError: If Ray is asked for and not installed.
    """
    if name == "local":
        yield lambda function, items: by_threads(function, items, workers=workers)
        return
    with _cluster() as ray:
        call = ray.remote(num_cpus=1)(_call)
        most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))

        def each(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            packed = ray.put(pickle.dumps(function))
            return ahead(items, begin=lambda item: call.remote(packed, item), end=ray.get, most=most)

        yield each


def _call(packed: bytes, item: Any) -> Any:
    return _unpacked(packed)(item)


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = pickle.loads(packed)
    return function


@contextmanager
def _cluster() -> Iterator[Any]:
    """Ray, connected; what was started here is stopped at the end."""
    ray = require("ray", extra="scale", purpose="run on a cluster")
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def _on_cluster(ray: Any) -> Execute:
    """Ray tasks of one processor each, gathered in order.

    Work travels as bytes: arrays that Ray itself unpacks are read-only, and compiled loops take those for
    another type, to be compiled anew by every worker.
    """
    from ..comparisons.execution import in_threads

    @ray.remote(num_cpus=1)  # type: ignore[untyped-decorator]
    def call(function: bytes, chunk: bytes) -> Any:
        return in_threads(1)(pickle.loads(function), [pickle.loads(chunk)])[0]

    def execute(
        function: Callable[[Any], Any], chunks: Sequence[Any], progress: Progress = silent
    ) -> list[Any]:
        shared = ray.put(pickle.dumps(function))
        tasks = [call.remote(shared, pickle.dumps(chunk)) for chunk in chunks]
        results = []
        for task in tasks:
            results.append(ray.get(task))
            progress(len(results), len(tasks))
        return results

    return execute
