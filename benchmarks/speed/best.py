"""How fast `fiqa best` goes through a video, and that its memory does not grow with the length.

    python -m benchmarks.speed.best PHOTOS [MINUTES]

Two videos are made of the photographs, one of MINUTES (60) and one of a tenth of that: scenes of 8 to 40
seconds between hard cuts, with one to three faces that sway and go in and out of focus, 480 x 360, 6 frames a
second, H.264. Each goes through `fiqa best` in a process of its own, whose largest resident memory is told.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from benchmarks.machine import write_results
from numpy.typing import NDArray

from fiqa.io.images import read_image
from fiqa.io.samples import find_images
from fiqa.io.store import read_json

WIDTH, HEIGHT, RATE, SIDE = 480, 360, 6, 130
RESULTS = Path(__file__).parent / "results" / "best.csv"

Image = NDArray[np.uint8]


def main(photos: Path, minutes: float = 60) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in (minutes / 10, minutes):
            video = Path(folder, f"{length:g}.mp4")
            write(video, frames(photos, count=round(length * 60 * RATE)))
            rows.append({"minutes": length, **watched(video)})
            print(rows[-1])
    write_results(RESULTS, rows)


def watched(video: Path) -> dict[str, Any]:
    """Frames and tracks found, frames a second, and largest resident memory of any process so far."""
    output = video.with_suffix("")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fiqa", "best", str(video), "-o", str(output)], check=True)
    seconds = time.perf_counter() - start
    found = read_json(output / "header.json")
    return {
        "frames": found["looked_at"],
        "cuts": found["cuts"],
        "tracks": len(list((output / "strips").glob("*.png"))),
        "frames_per_second": round(found["looked_at"] / seconds, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3),
    }


def frames(photos: Path, *, count: int) -> Iterator[Image]:
    """Scene after scene, `count` frames in all."""
    paths = [Path(str(path)) for path in find_images(photos).paths]
    rng = np.random.default_rng(0)
    while count > 0:
        scene = min(count, round(RATE * rng.uniform(8, 40)))
        yield from scene_of([read_image(path) for path in rng.choice(paths, rng.integers(1, 4))], scene, rng)
        count -= scene


def scene_of(faces: list[Image], count: int, rng: np.random.Generator) -> Iterator[Image]:
    """`count` frames of faces side by side before a blurred background."""
    coarse = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    background = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    faces = [cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for face in faces]
    room, tops = WIDTH // len(faces), rng.uniform(20, HEIGHT - SIDE - 20, len(faces))
    for number in range(count):
        image = background.copy()
        for place, (face, top) in enumerate(zip(faces, tops, strict=True)):
            x = round(place * room + (room - SIDE) / 2 + 8 * np.sin(number / 9))
            y = round(top + 15 * np.sin(number / 13 + place))
            softness = 3 * abs(np.sin(number / 30 + place))
            soft = cv2.GaussianBlur(face, (0, 0), softness) if softness > 0.5 else face
            image[y : y + SIDE, x : x + SIDE] = soft
        yield image


def write(path: Path, images: Iterator[Image]) -> None:
    """The images as a video."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in images:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(float(word) for word in sys.argv[2:]))
