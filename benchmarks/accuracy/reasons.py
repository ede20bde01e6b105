"""Levels of the factors behind reasons, and how often the reason named first is what was done to the face.

    python -m benchmarks.accuracy.reasons DATA

DATA holds lfw/images and cfp. One photograph of each of 2,000 subjects of LFW: 1,000 give the levels, the
others get one seeded change each, and the first reason is counted. Frontal photographs of CFP, those that
were never encoded again, are sharper: half of the subjects give levels too. Its profiles stand for faces that
are turned away. Writes what stands in `fiqa.explain.reasons` and the table of confusions.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.machine import write_results

from fiqa.core.types import FaceCrops
from fiqa.explain.factors import factors
from fiqa.explain.occlusion import occlusion_map
from fiqa.explain.reasons import LEVELS, reasons
from fiqa.faces.align import align
from fiqa.faces.degrade import degrade
from fiqa.faces.detect import Detector
from fiqa.faces.extract import extract
from fiqa.io.images import read_image
from fiqa.methods.embedding_norm import EmbeddingNorm
from fiqa.models.recognisers import load_recogniser

RESULTS = Path(__file__).parent / "results"
SUBJECTS, SMALL, SWEPT = 2000, 200, 40
NOTHING = "nothing"
Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def of_kind(kind: str) -> Change:
    return lambda image, severity, rng: degrade(image, kind, severity=severity, rng=rng)


def overexposed(image: np.ndarray, severity: float, _: np.random.Generator) -> np.ndarray:
    """Light up to threefold, clipped."""
    return np.rint(image * (1 + 2 * severity)).clip(0, 255).astype(np.uint8)


def hazy(image: np.ndarray, severity: float, _: np.random.Generator) -> np.ndarray:
    """Mixed with up to 85 % of middle grey."""
    return np.rint(image + 0.85 * severity * (128.0 - image)).astype(np.uint8)


def sunglasses(image: np.ndarray, severity: float, rng: np.random.Generator) -> np.ndarray:
    """Dark ellipses of up to 14 x 10 pixels half size over the eyes of the template."""
    colour = tuple(rng.integers(0, 50, 3).tolist())
    covered, half = image.copy(), (round(8 + 6 * severity), round(5 + 5 * severity))
    for x in (38, 74):
        cv2.ellipse(covered, (x, 54), half, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return covered


CHANGES: tuple[tuple[str, str, Change], ...] = (
    ("down_up", "blurred", of_kind("down_up")),
    ("blur", "blurred", of_kind("blur")),
    ("jpeg", "compressed", of_kind("jpeg")),
    ("noise", "noisy", of_kind("noise")),
    ("darkness", "too dark", of_kind("darkness")),
    ("overexposed", "too bright", overexposed),
    ("hazy", "low contrast", hazy),
    ("occlusion", "partly covered", of_kind("occlusion")),
    ("sunglasses", "partly covered", sunglasses),
)


def extracted(files: list[Path]) -> tuple[FaceCrops, list[tuple[np.ndarray, np.ndarray]]]:
    """Crops of the central faces, and each photograph with its landmarks."""
    detector, found, photos = Detector(threads=1), [], []
    for file in files:
        photo = read_image(file)
        result = extract(photo, detector, sample_id=file.name, face="central")
        if not result.failure:
            found.append(result.crops)
            photos.append((photo, result.faces[0].landmarks))
    columns = ("images", "landmarks", "source_scale")
    return FaceCrops(*(np.concatenate([getattr(one, name) for one in found]) for name in columns)), photos


def shrunken(photos: list[tuple[np.ndarray, np.ndarray]], scales: np.ndarray) -> FaceCrops:
    """Crops of the photographs after they were made smaller."""
    cuts, points = [], []
    for (photo, landmarks), scale in zip(photos, scales, strict=True):
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cut = align(small, (landmarks + 0.5) * scale - 0.5)
        cuts.append(cut)
        points.append(((landmarks + 0.5) * scale - 0.5) @ cut.matrix[:, :2].T + cut.matrix[:, 2])
    return FaceCrops(
        np.stack([cut.crop for cut in cuts]),
        np.array(points, np.float32),
        np.array([cut.source_scale for cut in cuts], np.float32),
    )


def first_reasons(crops: FaceCrops) -> list[str]:
    columns = factors(crops)
    named = [
        reasons({name: float(column[row]) for name, column in columns.items()}) for row in range(len(crops))
    ]
    return [found[0].words if found else NOTHING for found in named]


def confusion(name: str, strength: str, expected: str, crops: FaceCrops) -> dict[str, Any]:
    found = np.array(first_reasons(crops))
    words = [NOTHING, *(row.words for row in LEVELS)]
    shares = {word: round(float(np.mean(found == word)), 4) for word in words}
    row = {"change": name, "severity": strength, "crops": len(crops), "expected": expected}
    print(f"{name:12} {strength:8} {expected:28} {shares[expected]:.3f}  {NOTHING} {shares[NOTHING]:.3f}")
    return {**row, "share_expected": shares[expected], **shares}


def changed(crops: FaceCrops, change: Change, *, least: float) -> FaceCrops:
    """Each crop with a severity uniform above `least`."""
    images = []
    for row, image in enumerate(crops.images):
        rng = np.random.default_rng([1, row])
        images.append(change(image, least + (1 - least) * (1 - rng.random()), rng))
    return FaceCrops(np.stack(images), crops.landmarks, crops.source_scale)


def levels(lfw: FaceCrops, cfp: FaceCrops) -> list[dict[str, Any]]:
    """Medians over LFW, and 1st percentiles over each set, of which the lower is the level."""
    usual, other = factors(lfw), factors(cfp)
    rows = []
    for row in LEVELS:
        found = {
            "lfw_median": np.median(usual[row.factor]),
            "lfw_percentile_1": np.quantile(usual[row.factor], 0.01),
            "cfp_percentile_1": np.quantile(other[row.factor], 0.01),
        }
        rows.append({"factor": row.factor, **{name: round(float(value), 3) for name, value in found.items()}})
        print(rows[-1], "in use", row.usual, row.level)
    return rows


def frontal_originals(cfp: Path) -> list[Path]:
    """The first frontal photograph of each subject of CFP that is as its makers published it."""
    with gzip.open(cfp / "manifest.csv.gz", "rt") as file:
        names = [row["path"] for row in csv.DictReader(file) if row["reencoded"] == "0"]
    first = {name.partition("/")[0]: name for name in sorted(names, reverse=True) if "/frontal/" in name}
    return [cfp / "Data" / "Images" / first[subject] for subject in sorted(first)]


def similarity_of_small_faces(photos: list[tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """Mean similarity of a face to itself after the photograph was made smaller."""
    recogniser, rows = load_recogniser("sface", threads=1), []
    whole = unit(recogniser.embed(shrunken(photos, np.ones(len(photos))).images))
    for scale in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2):
        crops = shrunken(photos, np.full(len(photos), scale))
        similarity = np.sum(whole * unit(recogniser.embed(crops.images)), axis=1).mean()
        rows.append(
            {
                "recogniser": "sface",
                "photos": len(photos),
                "photo_scale": scale,
                "mean_source_scale": round(float(crops.source_scale.mean()), 3),
                "mean_similarity": round(float(similarity), 4),
            }
        )
        print(rows[-1])
    return rows


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def area_under_roc(bad: np.ndarray, good: np.ndarray) -> float:
    """Probability that a covered face has the lower value; ties count half."""
    return round(float(np.mean((bad[:, None] < good) + 0.5 * (bad[:, None] == good))), 4)


def detection(crops: FaceCrops) -> list[dict[str, Any]]:
    """How well visibility, and the largest rise of the score in a coarse sweep, tell covered faces."""
    method = EmbeddingNorm(load_recogniser("sface", threads=1))

    def rises(faces: FaceCrops) -> np.ndarray:
        maps = [
            occlusion_map(method, faces.rows(slice(row, row + 1)), patch=28, stride=28)
            for row in range(SWEPT)
        ]
        return np.array([-values.max() for values in maps])

    seen, rise, rows = factors(crops)["visibility"], rises(crops), []
    for name in ("occlusion", "sunglasses"):
        change = next(row[2] for row in CHANGES if row[0] == name)
        covered = changed(crops, change, least=0.0)
        rows.append(
            {
                "change": name,
                "auc_visibility": area_under_roc(factors(covered)["visibility"], seen),
                "crops": len(crops),
                "auc_largest_rise": area_under_roc(rises(covered), rise),
                "crops_swept": SWEPT,
            }
        )
        print(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    rng = np.random.default_rng(0)
    subjects = sorted((data / "lfw" / "images").iterdir())
    chosen = rng.permutation(len(subjects))[:SUBJECTS]
    files = [min(subjects[row].iterdir()) for row in chosen]
    reference, _ = extracted(files[: SUBJECTS // 2])
    frontal = frontal_originals(data / "cfp")
    sharper, _ = extracted(frontal[::2])
    tables = {"reason_levels": levels(reference, sharper)}
    crops, photos = extracted(files[SUBJECTS // 2 :])
    unchanged, _ = extracted(frontal[1::2])
    rows = [confusion("none", "lfw", NOTHING, crops), confusion("none", "cfp", NOTHING, unchanged)]
    for name, expected, change in CHANGES:
        for least, strength in ((0.0, "(0, 1]"), (0.5, "(0.5, 1]")):
            rows.append(confusion(name, strength, expected, changed(crops, change, least=least)))
    small = shrunken(photos[:SMALL], rng.uniform(0.15, 0.5, SMALL))
    rows.append(confusion("small photo", "0.15-0.5", "face too small in the photo", small))
    turned, _ = extracted(sorted((data / "cfp" / "Data" / "Images").glob("*/profile/01.jpg"))[:SMALL])
    rows.append(confusion("profile", "", "turned away", turned))
    tables["reasons"] = rows
    tables["reason_size"] = similarity_of_small_faces(photos[:SMALL])
    tables["reason_covered"] = detection(crops)
    for name, found in tables.items():
        write_results(RESULTS / f"{name}.csv", found)


if __name__ == "__main__":
    main()
