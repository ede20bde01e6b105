"""Which cosine tells copies of an image from other images of its subject.

    python -m benchmarks.accuracy.duplicates LFW_IMAGES EMBEDDINGS...

EMBEDDINGS are folders that `fiqa embed` wrote of LFW. 200 photographs are altered in five ways, cropped
and embedded anew: for each threshold, the share of altered copies at or above it, beside the number of mated
pairs of different files of LFW that are (some of them are copies too).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from benchmarks.machine import write_results
from PIL import Image

from fiqa.comparisons.compare import compare
from fiqa.comparisons.pairing import all_mated_pairs
from fiqa.faces.detect import Detector
from fiqa.faces.extract import extract
from fiqa.io.store import SAMPLES, read_embeddings, read_samples
from fiqa.models.embed import embed
from fiqa.models.recognisers import load_recogniser

PHOTOS, THRESHOLDS = 200, (0.8, 0.85, 0.9, 0.92, 0.95)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


CHANGES = {
    "jpeg50": lambda image: jpeg(image, 50),
    "jpeg25": lambda image: jpeg(image, 25),
    "smaller": lambda image: image.resize((160, 160), Image.Resampling.LANCZOS),
    "cut": lambda image: image.crop((10, 5, 245, 240)),
    "brighter": lambda image: image.point(lambda level: min(255, int(1.2 * level))),
}


def main(photos: Path, folders: list[Path]) -> None:
    files = sorted(photos.glob("*/*.jpg"))
    detector, rows = Detector(threads=1), []
    found = []
    for file in files[:: len(files) // PHOTOS][:PHOTOS]:
        image = Image.open(file).convert("RGB")
        looks = [image, *(change(image) for change in CHANGES.values())]
        crops = [extract(np.asarray(look), detector, sample_id=file.name).crops.images[:1] for look in looks]
        if all(map(len, crops)):
            found.append(np.concatenate(crops))
    for folder in folders:
        embeddings = read_embeddings(folder)
        mated = compare(embeddings, all_mated_pairs(read_samples(folder / SAMPLES))).similarity
        vectors, _ = embed(load_recogniser(embeddings.recogniser), found)
        vectors = vectors.reshape(len(found), len(CHANGES) + 1, -1)
        cosine = np.einsum("nd,nvd->nv", vectors[:, 0], vectors[:, 1:])
        for threshold in THRESHOLDS:
            shares = (cosine >= threshold).mean(axis=0)
            counts = {"pairs": int((mated >= threshold).sum()), "of_pairs": len(mated)}
            named = {name: round(float(at), 3) for name, at in zip(CHANGES, shares, strict=True)}
            rows.append({"recogniser": embeddings.recogniser, "threshold": threshold, **named, **counts})
            print(rows[-1])
    write_results(Path(__file__).parent / "results" / "duplicates.csv", rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(item) for item in sys.argv[2:]])
