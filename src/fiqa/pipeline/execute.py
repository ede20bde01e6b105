"""Where work that is split by subject runs: threads of this process, or a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from ..comparisons.execution import Execute, in_threads
from ..core.optional import require
from ..core.protocols import Progress, silent


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
        yield in_threads()
        return
    ray = require("ray", extra="scale", purpose="run on a cluster")
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    try:
        yield _on_cluster(ray)
    finally:
        if started:
            ray.shutdown()


def _on_cluster(ray: Any) -> Execute:
    """Ray tasks of one processor each, gathered in order.

    Work travels as bytes: arrays that Ray itself unpacks are read-only, and compiled loops take those for
    another type, to be compiled anew by every worker.
    """

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
