"""What `fiqa score` by a deployed model costs: each step, files end to end, memory, and a cold start.

    python -m benchmarks.speed.score PHOTOS [MODEL.onnx ...]

Steps in milliseconds of one core an image, for photographs in a folder. Aligned crops are scored from memory
on all cores. End to end is the command itself in a process of its own, on all cores, and so is the cold
start, of one photograph. Without a model the shipped one is taken.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import write_results

from fiqa.core.types import FaceCrops
from fiqa.deploy.model import load_deployed, model_file
from fiqa.faces.detect import Detector
from fiqa.faces.extract import cut_out
from fiqa.io.images import read_image
from fiqa.io.samples import find_images

STEP_IMAGES = 300
COLD_STARTS = 5


def main(photos: Path, models: list[Path]) -> None:
    paths = [Path(str(path)) for path in find_images(photos).paths]
    rows = []
    for model in models:
        card = load_deployed(model).card
        of = {"model": f"{card.name}, {card.precision}"}
        measured = [
            *steps(paths[:: max(1, len(paths) // STEP_IMAGES)], model),
            *commands(photos, paths, model),
        ]
        rows += [{**of, **row} for row in measured]
    for row in rows:
        print(f"{row['model']:20} {row['what']:34} {row['value']:10} {row['unit']}")
    write_results(Path(__file__).parent / "results" / "score.csv", rows)


def steps(paths: list[Path], model: Path) -> list[dict[str, Any]]:
    """Milliseconds of processor time of each step, and aligned crops a second."""
    detector = Detector(threads=1)
    alone, method = load_deployed(model, threads=1), load_deployed(model)
    size, crop = method.spec.size, method.spec.crop
    decode, images = timed(read_image, paths)
    detect, found = timed(detector.detect, images)
    seen = [(image, faces[0].landmarks) for image, faces in zip(images, found, strict=True) if faces]
    align, crops = timed(lambda one: cut_out(one[0], [one[1]], crop=crop, size=size).images, seen)
    every = FaceCrops(np.concatenate(crops))
    network = timed(alone.score, [every])[0] / len(every)
    named = {"decode": decode, "detect": detect, "align": align, "network": network}
    rate = max(crops_a_second(method.score, every) for _ in range(3))
    return [
        *(
            {"what": what, "value": round(1e3 * seconds, 3), "unit": "ms an image, one core"}
            for what, seconds in named.items()
        ),
        {"what": "aligned crops, best of 3", "value": round(rate), "unit": "crops/s"},
    ]


def crops_a_second(score: Callable[[FaceCrops], Any], crops: FaceCrops) -> float:
    start = time.perf_counter()
    score(crops)
    return len(crops) / (time.perf_counter() - start)


def timed(work: Callable[[Any], Any], items: Iterable[Any]) -> tuple[float, list[Any]]:
    """Seconds of processor time an item, and what came out."""
    items = list(items)
    work(items[0])
    start = time.process_time()
    results = [work(item) for item in items]
    return (time.process_time() - start) / len(items), results


def commands(photos: Path, paths: list[Path], model: Path) -> list[dict[str, Any]]:
    """The command on all photographs, and on one."""
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder, "one")
        one.mkdir()
        (one / paths[0].name).write_bytes(paths[0].read_bytes())
        seconds, megabytes = command(photos, model, Path(folder, "all.csv"))
        cold = min(command(one, model, Path(folder, f"{n}.csv"))[0] for n in range(COLD_STARTS))
    return [
        {
            "what": f"fiqa score, {len(paths)} files",
            "value": round(len(paths) / seconds, 1),
            "unit": "files/s",
        },
        {"what": "peak memory", "value": round(megabytes), "unit": "MB"},
        {"what": f"cold start, best of {COLD_STARTS}", "value": round(cold, 2), "unit": "s"},
    ]


def command(photos: Path, model: Path, output: Path) -> tuple[float, float]:
    """Seconds and most megabytes of memory of `fiqa score`."""
    words = [sys.executable, "-m", "fiqa", "score", photos, "--model", model, "-o", output]
    start = time.perf_counter()
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"fiqa score failed on {photos}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), [model_file(name) for name in sys.argv[2:] or [None]])
