"""How near landmarks found in smaller copies lie to the consensus of many looks.

    python -m benchmarks.accuracy.landmarks LFW_IMAGES

300 photographs, the largest face of each. The consensus is the median of twelve looks: at full size and at
1.3 times it, moved by -5, 3 and 11 pixels, mirrored or not. Distances are means over the five landmarks in
pixels of the 112-pixel crop; a look whose face lies 30 or more away, or finds none, counts as missed.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
from benchmarks.machine import write_results

from fiqa.faces.align import landmark_template, similarity, transform
from fiqa.faces.choose import choose
from fiqa.faces.detect import Detector, Face
from fiqa.io.images import read_image

PHOTOS, SIDES = 300, (250, 200, 160, 144, 128, 112, 96, 80)
SCALES, SHIFTS, ELSEWHERE = (1.0, 1.3), (-5, 3, 11), 30.0


def main(folder: Path) -> None:
    paths = sorted(folder.glob("*/*.jpg"))
    images = [read_image(path) for path in paths[:: len(paths) // PHOTOS][:PHOTOS]]
    detector = Detector(threads=1)
    agreed = [consensus(detector, image) for image in images]
    rows = []
    for side in SIDES:
        distances, faces = [], []
        for image, points in zip(images, agreed, strict=True):
            scale = side / max(image.shape[:2])
            found = choose(detector._look(image, scale=scale, border=0), image.shape)
            away = distance(found[0], points) if found else np.inf
            if away < ELSEWHERE:
                distances.append(away)
                faces.append(found[0].box[2:].min() * scale)
        rows.append(
            {
                "side": side,
                "face_median": round(float(np.median(faces))),
                "mean": round(float(np.mean(distances)), 2),
                "p95": round(float(np.quantile(distances, 0.95)), 2),
                "missed": len(images) - len(distances),
            }
        )
        print(rows[-1])
    write_results(Path(__file__).parent / "results" / "landmarks.csv", rows)


def consensus(detector: Detector, image: np.ndarray) -> np.ndarray:
    """Landmarks (5, 2), the median of those looks that find a face."""
    looks = []
    for scale, shift, mirror in itertools.product(SCALES, SHIFTS, (False, True)):
        moved = np.roll(image, (shift, shift), (0, 1))
        moved = np.ascontiguousarray(moved[:, ::-1]) if mirror else moved
        for face in choose(detector._look(moved, scale=scale, border=0), image.shape):
            points = face.landmarks.copy()
            if mirror:
                points[:, 0] = image.shape[1] - 1 - points[:, 0]
                points = points[[1, 0, 2, 4, 3]]
            looks.append(points - shift)
    return np.median(looks, axis=0)


def distance(face: Face, points: np.ndarray) -> float:
    """Mean distance of the face's landmarks from these, in pixels of the crop that these cut."""
    matrix = similarity(points, landmark_template("arcface"))
    moved = transform(matrix, face.landmarks) - transform(matrix, points)
    return float(np.hypot(*moved.T).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
