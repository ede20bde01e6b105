from __future__ import annotations

import threading
import time

import pytest

from fiqa.core.ahead import ahead, available_processors, by_threads


def test_order_and_how_far_ahead() -> None:
    log: list[str] = []
    results = ahead(
        range(5),
        begin=lambda item: log.append(f"begin {item}") or item,
        end=lambda task: log.append(f"end {task}") or task * 10,
        most=2,
    )
    assert list(results) == [0, 10, 20, 30, 40]
    open_now, highest = 0, 0
    for line in log:
        open_now += 1 if line.startswith("begin") else -1
        highest = max(highest, open_now)
    assert highest == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_what_map_gives(workers: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item**2

    assert list(by_threads(work, iter(range(30)), workers=workers)) == [item**2 for item in range(30)]


def test_endless_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def endless():
        while True:
            taken.append(1)
            yield len(taken)

    results = by_threads(lambda item: item, endless(), workers=2)
    assert [next(results) for _ in range(5)] == [1, 2, 3, 4, 5]
    results.close()
    assert len(taken) <= 9


def test_an_error_stops_what_has_not_begun() -> None:
    done: list[int] = []
    lock = threading.Lock()

    def work(item: int) -> int:
        with lock:
            done.append(item)
        if item == 3:
            raise KeyError(item)
        return item

    with pytest.raises(KeyError):
        list(by_threads(work, range(1000), workers=2))
    assert len(done) < 20


def test_processors() -> None:
    assert available_processors() >= 1
