from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from fiqa.serve.batching import Batcher, QueueFullError


class Held:
    """Work that notes its batches and waits for a word to go on."""

    def __init__(self):
        self.go, self.begun, self.batches = threading.Event(), threading.Semaphore(0), []

    def __call__(self, items):
        self.batches.append(list(items))
        self.begun.release()
        assert self.go.wait(10)
        return [-item for item in items]


@pytest.fixture
def held():
    work = Held()
    yield work
    work.go.set()


def test_every_caller_gets_its_own_results():
    with Batcher(lambda items: [item**2 for item in items], workers=3, largest=4, capacity=1000) as batcher:

        def call(start):
            return [future.result(10) for future in batcher.submit(range(start, start + 10))]

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(call, range(0, 400, 10)))
    assert [one for part in found for one in part] == [item**2 for item in range(400)]
    assert batcher.load == 0


def test_what_waits_is_shared_out(held):
    with Batcher(held, workers=2, largest=3, capacity=20) as batcher:
        first = batcher.submit([1])
        assert held.begun.acquire(timeout=10)  # one alone does not wait for more
        second = batcher.submit([2])
        assert held.begun.acquire(timeout=10)
        rest = batcher.submit(range(3, 12))
        held.go.set()
        wait([*first, *second, *rest], 10)
    assert held.batches[:2] == [[1], [2]]
    assert [len(batch) for batch in held.batches[2:4]] == [3, 3]  # half of nine is five, three at most
    assert sorted(item for batch in held.batches for item in batch) == list(range(1, 12))


def test_a_full_queue_takes_all_or_nothing(held):
    with Batcher(held, workers=1, largest=8, capacity=4) as batcher:
        futures = batcher.submit([1, 2, 3])
        with pytest.raises(QueueFullError, match=r"the queue is full; come back in 1 s") as caught:
            batcher.submit([4, 5])
        assert caught.value.seconds == 1
        futures += batcher.submit([6])
        assert batcher.load == 4
        held.go.set()
        assert [future.result(10) for future in futures] == [-1, -2, -3, -6]
        while batcher.load:
            threading.Event().wait(0.01)
        batcher.submit([7, 8, 9, 10])


def test_an_error_is_that_of_its_batch_alone():
    def work(items):
        return [1 / item for item in items]

    with Batcher(work, workers=1, largest=1, capacity=9) as batcher:
        bad, good = batcher.submit([0, 2])
        with pytest.raises(ZeroDivisionError):
            bad.result(10)
        assert good.result(10) == 0.5


def test_what_was_given_up_is_not_done(held):
    with Batcher(held, workers=1, largest=8, capacity=9) as batcher:
        first = batcher.submit([1])
        assert held.begun.acquire(timeout=10)
        gone, kept = batcher.submit([2, 3])
        only = batcher.submit([4])[0]
        assert gone.cancel()
        assert only.cancel()
        held.go.set()
        assert [future.result(10) for future in (*first, kept)] == [-1, -3]
    assert held.batches == [[1], [3]]
    assert batcher.load == 0


def test_the_end_finishes_what_is_queued_and_takes_no_more(held):
    with Batcher(held, workers=1, largest=1, capacity=9) as batcher:
        futures = batcher.submit(range(5))
        held.go.set()
    assert [future.result(0) for future in futures] == [0, -1, -2, -3, -4]
    with pytest.raises(QueueFullError):
        batcher.submit([1])


def test_how_long_to_wait():
    batcher = Batcher(list, workers=2, largest=1, capacity=9)
    assert batcher.wait() == 1
    batcher.load, batcher._pace = 7, 0.9  # 7 x 0.9 s by two threads are 3.15 s
    assert batcher.wait() == 4
