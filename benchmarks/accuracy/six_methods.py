"""The six methods on one recogniser: do they agree, and do degraded faces score lower by each of them?

Reads what `configs/six-methods.toml` wrote into STUDY: scores of the crops of two data sets, half of which
carry one seeded degradation. Every pair of methods is compared on the crops that both have scored. Writes the
rank correlations as CSV and figure, how often degraded crops score lower as CSV, and into STUDY/six/sheets
one contact sheet a method and data set, which show faces and stay there.

    python -m benchmarks.accuracy.six_methods STUDY --lists    # before the study: crops for FaceQAN
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
from scipy.stats import mannwhitneyu

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
FEW = 256
"""How many crops of a set FaceQAN scores, which takes over a second for each."""
COLUMNS, ROWS = 12, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--lists", action="store_true", help="write the lists of crops for FaceQAN")
    arguments = parser.parse_args()
    study = arguments.study
    if arguments.lists:
        for name in SETS:
            write_list(
                CropFolder.open(study / name / "crops-arcface"), study / "six" / name / "faceqan-crops.csv"
            )
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


def write_list(crops: CropFolder, path: Path) -> None:
    """A list of crops, equally far apart in the order of the samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = crops.samples
    rows = np.linspace(0, len(samples) - 1, FEW).round().astype(int)
    files = crops.table.texts("path")[rows]
    paths = [str((crops.folder / file).resolve()) for file in files.tolist()]
    write_samples(path, SampleSet(samples.sample_ids[rows], samples.subject_ids[rows], paths))


def agreement_rows(scores: dict[str, QualityScores], ids: NDArray[np.str_]) -> list[dict[str, Any]]:
    """Spearman's correlation of every two methods over those of the samples that both have scored."""
    rows = []
    for first, second in itertools.combinations(scores, 2):
        common = ids[np.isin(ids, scores[first].sample_ids) & np.isin(ids, scores[second].sample_ids)]
        value = spearman(scores[first].at(common), scores[second].at(common))
        rows.append({"first": first, "second": second, "n": len(common), "spearman": round(value, 4)})
    return rows


def drop_rows(scores: QualityScores, kinds: dict[str, str]) -> list[dict[str, Any]]:
    """How often an undegraded crop scores higher than one of a degradation: 0.5 if it tells nothing."""
    kind = np.array([kinds[name] for name in scores.sample_ids.tolist()])
    clean = scores.values[kind == "none"]
    rows = []
    for name in np.unique(kind[kind != "none"]).tolist():
        worse = scores.values[kind == name]
        share = mannwhitneyu(clean, worse).statistic / (len(clean) * len(worse))
        rows.append(
            {"degradation": name, "n": len(worse), "undegraded_scores_higher": round(float(share), 4)}
        )
    return rows


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
