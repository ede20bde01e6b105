"""The whole job in small: 40 subjects with 10 photographs each, half to train on, half to test on."""

from __future__ import annotations

from pathlib import Path

from ..io.images import write_image
from ..io.orl import read_orl
from ..io.store import atomic
from .crop import Crop
from .embed import Embed
from .evaluate import Evaluate
from .label import Label
from .optimize import Optimize
from .score import Score
from .settings import Stage
from .train import Train

METHODS = ("embedding_norm", "ser_fiq", "sdd_fiqa")
ROWS = ("base", "published", "recommended")


def write_photos(folder: Path, *, subjects: int) -> str:
    """Write the photographs as PNG under ``train/`` and ``test/``, subjects alternating.

    Args:
        folder: Where to; an existing folder is left as it is.
        subjects: How many of the 40 subjects.

    Returns:
        One line on what was found and repaired.
    """
    photos, repairs = read_orl()
    kept = [(sample_id, image) for sample_id, image in photos if _number(sample_id) <= subjects]
    if not folder.exists():
        with atomic(folder) as partial:
            for sample_id, image in kept:
                half = "train" if _number(sample_id) % 2 else "test"
                write_image(partial / half / Path(sample_id).with_suffix(".png"), image)
    return f"{len(kept)} photographs of {subjects} subjects; {repairs.summary}"


def demo_stages(folder: Path) -> list[Stage]:
    """Crop, embed, label, optimise, train, score and evaluate, as a study would list them."""
    stages: list[Stage] = []
    for half, seed in (("train", 1), ("test", 2)):
        crops = folder / half / "crops"
        stages.append(Crop(photos=folder / "photos" / half, output=crops, degrade=0.5, seed=seed))
        stages.append(Embed(photos=crops, output=folder / half / "embeddings"))
        stages.extend(_base(method, folder / half) for method in METHODS)
    for method in METHODS:
        stages.extend(_improved(method, folder))
    scores = [f"{method}:raw={folder / 'test' / method}.parquet" for method in METHODS]
    scores += [
        f"{method}:{row}={folder / 'test' / method}-{row}.parquet" for method in METHODS for row in ROWS
    ]
    stages.append(
        Evaluate(
            scores=tuple(scores),
            embeddings=(folder / "test" / "embeddings",),
            pairs=("all",),
            crops=folder / "test" / "crops",
            shifts=tuple(
                f"{method}={folder / 'train' / method}-{row}.parquet"
                for method in METHODS
                for row in ("recommended",)
            ),
            output=folder / "report",
        )
    )
    return stages


def _base(method: str, folder: Path) -> Stage:
    output = folder / f"{method}.parquet"
    if method == "ser_fiq":
        return Score(photos=folder / "crops", method=method, output=output)
    return Label(embeddings=folder / "embeddings", method=method, output=output)


def _improved(method: str, folder: Path) -> list[Stage]:
    train, test = folder / "train", folder / "test"
    labels = {"base": train / f"{method}.parquet"}
    stages: list[Stage] = []
    for preset in ROWS[1:]:
        labels[preset] = train / f"{method}-{preset}.parquet"
        stages.append(
            Optimize(
                scores=labels["base"],
                embeddings=(train / "embeddings",),
                preset=preset,
                output=labels[preset],
            )
        )
    for row, file in labels.items():
        model = folder / "models" / f"{method}-{row}"
        cache = folder / "features"
        stages.append(
            Train(crops=train / "crops", labels=file, preset="last-block", cache=cache, output=model)
        )
        stages.append(Score(photos=test / "crops", model=model, output=test / f"{method}-{row}.parquet"))
    return stages


def _number(sample_id: str) -> int:
    return int(sample_id.partition("/")[0].removeprefix("s"))
