"""Made-up embeddings for benchmarks, memory as the system counts it, and the speed of matrix products."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fiqa.comparisons.execution import in_threads

BLOCK = 1 << 15


def subject_sizes(
    n_samples: int, *, per_subject: int = 360, spread: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Images of each subject, `per_subject` on average; a spread of 0.3 is about that of VGGFace2."""
    rng = np.random.default_rng(seed)
    count = max(n_samples // per_subject, 1)
    sizes = np.clip(rng.normal(per_subject, spread * per_subject, size=count), 0.2 * per_subject, None)
    edges = np.round(np.cumsum(sizes) / sizes.sum() * n_samples).astype(int)
    return np.diff(edges, prepend=0)


def write_faces(path: Path, subjects: np.ndarray, *, dimension: int = 512, seed: int = 0) -> None:
    """Unit vectors as a float16 .npy file: a centre a subject, and noise of a random length an image."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((BLOCK, dimension), dtype=np.float32)
    centres = rng.standard_normal((int(subjects.max()) + 1, dimension), dtype=np.float32)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(len(subjects), dimension))
    for start in range(0, len(subjects), BLOCK):
        subject = subjects[start : start + BLOCK]
        block = noise[rng.permutation(BLOCK)[: len(subject)]]
        block *= rng.uniform(0.3, 1.8, size=(len(subject), 1)).astype(np.float32)
        block += centres[subject]
        block /= np.sqrt(np.einsum("nd,nd->n", block, block))[:, None]
        file[start : start + len(subject)] = block
    file.flush()


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Most gigabytes of memory of this process above what it held before, pages of mapped files apart."""
    result = {"gigabytes": 0.0}
    before, done = _anonymous(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            result["gigabytes"] = max(result["gigabytes"], (_anonymous() - before) / 2**20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield result
    finally:
        done.set()
        thread.join()


def _anonymous() -> int:
    """Kilobytes of memory that belong to no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def gemm_rate(workers: int) -> float:
    """Multiplications and additions a second of float32 matrix products, one BLAS thread a worker."""
    a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        in_threads(workers)(lambda _: [a @ a for _ in range(4)] and None, range(workers))
        best = min(best, time.perf_counter() - start)
    return workers * 4 * 2 * 1024**3 / best
