"""The six methods on one recogniser: do they agree, and do degraded faces score lower by each of them?

Reads what `configs/six-methods.toml` wrote into STUDY: scores of the crops of two data sets, half of which
carry one seeded degradation. Every pair of methods is compared on the crops that both have scored. Writes the
rank correlations as CSV and figure, the drop of the mean score under degradation as CSV, and into
STUDY/six/sheets one contact sheet a method and data set, which show faces and stay there.

    python -m benchmarks.accuracy.six_methods STUDY --few 256   # before the study: crops for FaceQAN
    python -m benchmarks.accuracy.six_methods STUDY
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from benchmarks.machine import write_results
from numpy.typing import NDArray
from PIL import Image

from fiqa.core.types import QualityScores, SampleSet
from fiqa.evaluate.agreement import spearman
from fiqa.evaluate.contact_sheet import spread
from fiqa.io.crops import CropFolder
from fiqa.io.store import read_scores, write_samples

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
SETS = ("lfw", "cfp")
METHODS = {
    "cr_fiqa": "CR-FIQA",
    "faceqan": "FaceQAN",
    "ser_fiq": "SER-FIQ",
    "pcnet": "PCNet",
    "magface": "MagFace",
    "sdd_fiqa": "SDD-FIQA",
}
COLUMNS, ROWS = 12, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--few", type=int, help="write lists of so many crops for FaceQAN, and nothing else")
    arguments = parser.parse_args()
    study = arguments.study
    if arguments.few:
        for name in SETS:
            write_list(CropFolder.open(study / name / "crops-arcface"), study / "six" / name, arguments.few)
        return
    agreements, drops = [], []
    for name in SETS:
        crops = CropFolder.open(study / name / "crops-arcface")
        degraded = crops.table.texts("degradation") != "none"
        scores = {method: read_scores(study / "six" / name / f"{method}.parquet") for method in METHODS}
        for which, chosen in (("undegraded", ~degraded), ("degraded", degraded), ("all", degraded | True)):
            ids = crops.samples.sample_ids[chosen]
            agreements += [{"set": name, "crops": which, **row} for row in agreement_rows(scores, ids)]
        kinds = dict(
            zip(crops.samples.sample_ids.tolist(), crops.table.texts("degradation").tolist(), strict=True)
        )
        for method, found in scores.items():
            drops += [{"set": name, "method": method, **row} for row in drop_rows(found, kinds)]
            sheet = study / "six" / "sheets" / f"{name}-{method}.png"
            sheet.parent.mkdir(parents=True, exist_ok=True)
            contact_sheet(crops, found).save(sheet)
    write_results(RESULTS / "six_methods_agreement.csv", agreements)
    write_results(RESULTS / "six_methods_degraded.csv", drops)
    draw(agreements)
    for row in drops:
        print(*row.values())


def write_list(crops: CropFolder, folder: Path, count: int) -> None:
    """A list of crops, equally far apart in the order of the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = crops.samples
    rows = np.linspace(0, len(samples) - 1, count).round().astype(int)
    files = crops.table.texts("path")[rows]
    paths = [str((crops.folder / file).resolve()) for file in files.tolist()]
    write_samples(
        folder / "faceqan-crops.csv", SampleSet(samples.sample_ids[rows], samples.subject_ids[rows], paths)
    )


def agreement_rows(scores: dict[str, QualityScores], ids: NDArray[np.str_]) -> list[dict[str, Any]]:
    """Spearman's correlation of every two methods over those of the samples that both have scored."""
    rows = []
    for first, second in itertools.combinations(scores, 2):
        common = ids[np.isin(ids, scores[first].sample_ids) & np.isin(ids, scores[second].sample_ids)]
        value = spearman(scores[first].at(common), scores[second].at(common))
        rows.append({"first": first, "second": second, "n": len(common), "spearman": round(value, 4)})
    return rows


def drop_rows(scores: QualityScores, kinds: dict[str, str]) -> list[dict[str, Any]]:
    """How far the mean score of each degradation lies below that of undegraded crops, in their deviations."""
    kind = np.array([kinds[name] for name in scores.sample_ids.tolist()])
    clean = scores.values[kind == "none"]
    return [
        {
            "degradation": name,
            "n": int((kind == name).sum()),
            "mean": round(float(scores.values[kind == name].mean()), 5),
            "drop_in_deviations": round(
                float((clean.mean() - scores.values[kind == name].mean()) / clean.std()), 3
            ),
        }
        for name in np.unique(kind).tolist()
    ]


def contact_sheet(crops: CropFolder, scores: QualityScores) -> Image.Image:
    """Faces from the worst (upper left) to the best (lower right), equally far apart in rank."""
    chosen = scores.sample_ids[spread(scores.values, COLUMNS * ROWS)]
    place = {name: row for row, name in enumerate(crops.samples.sample_ids.tolist())}
    images = crops.load(np.array([place[name] for name in chosen.tolist()])).images
    size = images.shape[1]
    sheet = Image.new("RGB", (COLUMNS * size, ROWS * size), "white")
    for number, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (number % COLUMNS * size, number // COLUMNS * size))
    return sheet


def draw(rows: list[dict[str, Any]]) -> None:
    """One matrix of correlations a data set, undegraded crops below the diagonal, degraded ones above."""
    figure, axes = plt.subplots(1, len(SETS), figsize=(9.2, 4.4), layout="constrained")
    order = list(METHODS)
    for axis, name in zip(axes, SETS, strict=True):
        table = np.eye(len(order))
        for row in rows:
            i, j = order.index(row["first"]), order.index(row["second"])
            if row["set"] == name and row["crops"] == "undegraded":
                table[j, i] = row["spearman"]
            if row["set"] == name and row["crops"] == "degraded":
                table[i, j] = row["spearman"]
        image = axis.imshow(table, cmap="cividis", vmin=0, vmax=1)
        for i, j in itertools.product(range(len(order)), repeat=2):
            if i != j:
                shade = "black" if table[i, j] > 0.55 else "white"
                axis.text(j, i, f"{table[i, j]:.2f}", ha="center", va="center", color=shade, fontsize=8)
        labels = list(METHODS.values())
        axis.set_xticks(range(len(order)), labels, rotation=35, ha="right", fontsize=8)
        axis.set_yticks(range(len(order)), labels, fontsize=8)
        axis.spines[:].set_visible(False)
        axis.set_title(f"{name.upper()}: degraded crops above, undegraded below", fontsize=9, loc="left")
    figure.colorbar(image, ax=axes, shrink=0.75, label="Spearman")
    for suffix in ("svg", "png"):
        figure.savefig(
            RESULTS / f"six_methods_agreement.{suffix}",
            dpi=150,
            metadata={"Date": None} if suffix == "svg" else None,
        )


if __name__ == "__main__":
    main()
