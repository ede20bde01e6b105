from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from fiqa.comparisons.execution import in_threads


def test_results_keep_the_order_of_the_chunks() -> None:
    seen = []
    results = in_threads(3)(lambda chunk: chunk**2, range(20), lambda done, total: seen.append((done, total)))
    assert results == [chunk**2 for chunk in range(20)]
    assert seen == [(done, 20) for done in range(1, 21)]


def test_one_blas_thread_a_worker() -> None:
    def blas_threads(_: int) -> set[int]:
        return {item["num_threads"] for item in threadpool_info() if item["user_api"] == "blas"}

    assert in_threads(2)(blas_threads, [0, 1]) == [{1}, {1}]


def test_the_first_error_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads()(lambda chunk: np.float64(1) if chunk else 1 // chunk, [1, 0, 1])
