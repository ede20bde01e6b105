"""What `fiqa serve` stands: throughput, latency, ten times too many clients, memory over many requests.

    python -m benchmarks.speed.serve PHOTOS [SECONDS] [REQUESTS]

The service runs in a process of its own; the clients of this one send photographs of the folder over
loopback, one a request, on connections that are kept. They share its cores: what they take is told. In three
parts on one service:

* steady: 16 clients, each sends as soon as it has its answer, for SECONDS (60);
* overload: 160 clients, and then 640, that come back 20 ms after a refusal, whatever its Retry-After says,
  each for half as long;
* memory: 16 clients until REQUESTS (20,000) have been answered in all, resident memory told every thousand.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import write_results

from fiqa.io.samples import find_images

CLIENTS, OVERLOADS = 16, (10, 40)
IMPATIENCE = 0.02
"""Seconds after which a refused client comes back."""
PHOTOS = 500
PROCESSOR = "process_cpu_seconds_total"
BOUNDARY = b"boundary-of-the-benchmark"
RESULTS = Path(__file__).parent / "results" / "serve.csv"


@dataclass
class Tally:
    """Seconds of each answer by its status, how long all of it took, and processor time of both sides."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    wall: float = 0.0
    client: float = 0.0
    service: float = 0.0

    def count(self, status: int) -> int:
        return len(self.seconds.get(status, ()))

    @property
    def errors(self) -> int:
        return sum(len(times) for status, times in self.seconds.items() if status not in (200, 429))

    def milliseconds(self, status: int, percent: float) -> float:
        return round(1e3 * float(np.percentile(self.seconds[status], percent)), 1)


def main(photos: Path, seconds: float = 60, requests: int = 20_000) -> None:
    paths = [Path(str(path)) for path in find_images(photos).paths]
    bodies = [request(path.read_bytes()) for path in paths[:: max(1, len(paths) // PHOTOS)]]
    with service() as port:
        asyncio.run(load(port, bodies, clients=CLIENTS, until=lambda _, spent: spent > 2))
        steady = asyncio.run(load(port, bodies, clients=CLIENTS, until=lambda _, spent: spent > seconds))
        over = {
            many: asyncio.run(load(port, bodies, clients=many, until=lambda _, spent: spent > seconds / 2))
            for many in (CLIENTS * times for times in OVERLOADS)
        }
        memory = [megabytes(port)]
        while (done := answered(port)) < requests:
            step = min(1000, requests - done)
            asyncio.run(
                load(port, bodies, clients=CLIENTS, until=lambda tally, _, n=step: tally.count(200) >= n)
            )
            memory.append(megabytes(port))
    rows = told(f"{CLIENTS} clients", steady)
    for many, tally in over.items():
        rows += told(f"{many} clients", tally)
    rows += [
        {"what": "memory after the overload", "value": memory[0], "unit": "MB"},
        {"what": f"memory after {requests} requests", "value": memory[-1], "unit": "MB"},
        {"what": "most memory between", "value": max(memory), "unit": "MB"},
    ]
    for row in rows:
        print(f"{row['what']:48} {row['value']:10} {row['unit']}")
    write_results(RESULTS, rows)


def told(who: str, tally: Tally) -> list[dict[str, Any]]:
    values = {
        "served": (round(tally.count(200) / tally.wall, 1), "images/s"),
        "median": (tally.milliseconds(200, 50), "ms"),
        "p99": (tally.milliseconds(200, 99), "ms"),
        "refused (429)": (round(tally.count(429) / tally.wall, 1), "requests/s"),
        "errors": (tally.errors, "requests"),
        "processor time of the service": (round(100 * tally.service / tally.wall), "% of one core"),
        "processor time of the clients": (round(100 * tally.client / tally.wall), "% of one core"),
    }
    if tally.count(429):
        values["p99 of a refusal"] = (tally.milliseconds(429, 99), "ms")
    return [
        {"what": f"{who}: {name}", "value": value, "unit": unit} for name, (value, unit) in values.items()
    ]


@contextmanager
def service() -> Iterator[int]:
    """The port of a running `fiqa serve`."""
    words = [sys.executable, "-m", "fiqa", "serve", "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline()
        if "http://" not in line:
            raise SystemExit(line + process.stderr.read())
        try:
            yield int(line.partition("127.0.0.1:")[2].partition("/")[0])
        finally:
            process.terminate()


def request(photo: bytes) -> bytes:
    head = b'--%b\r\nContent-Disposition: form-data; name="images"; filename="photo.jpg"\r\n' % BOUNDARY
    body = b"%bContent-Type: image/jpeg\r\n\r\n%b\r\n--%b--\r\n" % (head, photo, BOUNDARY)
    lines = (b"POST /v1/score HTTP/1.1", b"Host: localhost", b"Content-Length: %d" % len(body))
    return b"\r\n".join((*lines, b"Content-Type: multipart/form-data; boundary=" + BOUNDARY, b"", body))


async def load(
    port: int,
    bodies: list[bytes],
    *,
    clients: int,
    until: Callable[[Tally, float], bool],
) -> Tally:
    """What clients get until they are told to stop."""
    tally, start = Tally(), time.perf_counter()
    spent, served = time.process_time(), metric(port, PROCESSOR)

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not until(tally, time.perf_counter() - start):
            sent = time.perf_counter()
            writer.write(bodies[number % len(bodies)])
            status = await answer(reader)
            tally.seconds.setdefault(status, []).append(time.perf_counter() - sent)
            number += clients
            if status == 429:
                await asyncio.sleep(IMPATIENCE)
        writer.close()

    await asyncio.gather(*map(client, range(clients)))
    tally.wall = time.perf_counter() - start
    tally.client = time.process_time() - spent
    tally.service = metric(port, PROCESSOR) - served
    return tally


async def answer(reader: asyncio.StreamReader) -> int:
    """Status of an answer, whose body is read."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as said:
        lines = said.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


def megabytes(port: int) -> float:
    return round(metric(port, "process_resident_memory_bytes") / 1e6, 1)


def answered(port: int) -> int:
    return int(metric(port, 'fiqa_requests_total{path="/v1/score",status="200"}'))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(kind(word) for kind, word in zip((float, int), sys.argv[2:], strict=False)))
