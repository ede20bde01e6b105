"""Time of training SFace regressors: features once, then epochs of each preset, in both precisions.

    python -m benchmarks.speed.training CROPS [--crops 1000] [--threads 2]

CROPS is a folder that `fiqa crop` wrote. Labels are drawn at random: time does not depend on them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from benchmarks.machine import ROOT, write_results

from fiqa.core.types import FaceCrops, QualityScores, SampleSet
from fiqa.io.crops import CropFolder
from fiqa.models.recognisers import load_torch_recogniser
from fiqa.train.settings import PRESETS, Precision
from fiqa.train.training import train


class Head:
    """The first rows of a folder of crops."""

    def __init__(self, crops: CropFolder, rows: int) -> None:
        self.crops, self.digest = crops, f"{crops.digest}[:{rows}]"
        whole = crops.samples
        self.samples = SampleSet(whole.sample_ids[:rows], whole.subject_ids[:rows])

    def load(self, rows: np.ndarray) -> FaceCrops:
        return self.crops.load(rows)


def measure(images: Head, preset: str, precision: Precision) -> list[dict[str, object]]:
    """Seconds of the features, if any, and of one epoch on them."""
    recogniser = load_torch_recogniser("sface")
    ids = images.samples.sample_ids
    labels = QualityScores(ids, np.random.default_rng(0).uniform(size=len(ids)), "random")
    settings = replace(PRESETS[preset], epochs=1, validations=1, precision=precision)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for work in ("features and epoch", "epoch") if preset == "last-block" else ("epoch",):
            start, processor = time.perf_counter(), time.process_time()
            train(
                images,
                labels,
                recogniser=recogniser,
                settings=settings,
                folder=Path(folder) / "regressor",
                cache=Path(folder) / "cache",
            )
            seconds, busy = time.perf_counter() - start, time.process_time() - processor
            rate = {"seconds": round(seconds, 2), "cpu_seconds": round(busy, 2)}
            row = {"preset": preset, "precision": precision, "work": work, "crops": len(ids), **rate}
            rows.append({**row, "ms_per_crop": round(1e3 * seconds / len(ids), 2)})
            print(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crops", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = Head(CropFolder.open(options.folder), options.crops)
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    rows = [
        {**row, "threads": options.threads}
        for preset in PRESETS
        for precision in precisions
        for row in measure(images, preset, precision)
    ]
    write_results(ROOT / "benchmarks" / "speed" / "results" / "training.csv", rows)


if __name__ == "__main__":
    main()
