"""The whole job in small: 40 subjects with 10 photographs each, half to train on, half to test on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..io.atomic import atomic
from ..io.images import write_image
from ..io.orl import read_orl
from .crop import Crop
from .embed import Embed
from .evaluate import Evaluate
from .label import Label
from .optimize import Optimize
from .score import Score
from .settings import Stage
from .train import Train

METHODS = ("embedding_norm", "ser_fiq", "sdd_fiqa")
PRESETS: tuple[Literal["published", "recommended"], ...] = ("published", "recommended")
ROWS = {
    "base": "regressor, base labels",
    "published": "regressor, published labels",
    "recommended": "regressor, recommended labels",
}


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
    train, test = folder / "train", folder / "test"
    stages: list[Stage] = []
    for half, seed in ((train, 1), (test, 2)):
        crops = half / "crops"
        stages.append(Crop(photos=folder / "photos" / half.name, output=crops, degrade=0.5, seed=seed))
        stages.append(Embed(photos=crops, output=half / "embeddings"))
        stages.extend(_base(method, half) for method in METHODS)
    for method in METHODS:
        stages.extend(_improved(method, train, test))
    raw = [f"{method}={test / method}.parquet" for method in METHODS]
    learnt = [
        f"{method}:{row}={test / method}-{name}.parquet" for method in METHODS for name, row in ROWS.items()
    ]
    stages.append(
        Evaluate(
            title="Demo: label optimisation on 20 unseen subjects",
            scores=(*raw, *learnt),
            embeddings=(test / "embeddings",),
            crops=test / "crops",
            base_labels=tuple(train / f"{method}.parquet" for method in METHODS),
            optimised_labels=tuple(train / f"{method}-recommended.parquet" for method in METHODS),
            diagnostics=tuple(train / f"{method}-recommended.json" for method in METHODS),
            label_crops=train / "crops",
            output=folder / "report",
        )
    )
    return stages


def _base(method: str, folder: Path) -> Stage:
    output = folder / f"{method}.parquet"
    if method == "ser_fiq":
        return Score(photos=(folder / "crops",), method=method, output=output)
    return Label(embeddings=folder / "embeddings", method=method, output=output)


def _improved(method: str, train: Path, test: Path) -> list[Stage]:
    """Optimise the base labels by each preset, and train and apply a regressor on each set of labels."""
    base = train / f"{method}.parquet"
    labels = {"base": base}
    stages: list[Stage] = []
    for preset in PRESETS:
        labels[preset] = train / f"{method}-{preset}.parquet"
        stages.append(
            Optimize(
                scores=base,
                embeddings=(train / "embeddings",),
                preset=preset,
                diagnostics=labels[preset].with_suffix(".json"),
                output=labels[preset],
            )
        )
    for name, file in labels.items():
        model = train / "models" / f"{method}-{name}"
        crops, cache = train / "crops", train / "features"
        stages.append(Train(crops=crops, labels=file, cache=cache, output=model, epochs=6, batch_size=32))
        crops, output = test / "crops", test / f"{method}-{name}.parquet"
        stages.append(Score(photos=(crops,), model=str(model), cache=test / "features", output=output))
    return stages


def _number(sample_id: str) -> int:
    return int(sample_id.partition("/")[0].removeprefix("s"))
