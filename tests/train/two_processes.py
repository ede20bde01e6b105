"""A training as each process of `torchrun` runs it; `test_processes.py` starts them.

Every process names a folder of its own, so that what it writes can be told apart.
"""

from __future__ import annotations

import json
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed

from fiqa.train.processes import joined
from fiqa.train.settings import PRESETS, TrainSettings
from fiqa.train.training import TrainResult, train
from networks import brightness_task, tiny_recogniser

QUICK = {"epochs": 2, "batch_size": 16, "validations": 2, "learning_rate": 1e-2, "seed": 4}
TRAININGS = {
    "published": replace(PRESETS["published"], **QUICK),
    "last-block": replace(PRESETS["last-block"], **QUICK, cut="t3", ema=0.5, accumulate=2),
}


def run(settings: TrainSettings, folder: Path, cache: Path) -> TrainResult:
    recogniser = tiny_recogniser()
    return train(*brightness_task(), recogniser=recogniser, settings=settings, folder=folder, cache=cache)


def main(output: Path) -> None:
    with joined("cpu") as processes:
        rank, group = processes.rank, weakref.ref(distributed.group.WORLD)
        tensors = [torch.full((2, 3), float(rank + 1)), torch.tensor(10.0 * rank)]
        processes.sum(tensors)
        mean = [torch.tensor(float(rank))]
        processes.average(mean)
        turns = output / "turns"
        turn = processes.in_turn(lambda: turns.exists() or bool(turns.write_text(str(rank))))
        found = {
            "sum": [tensor.tolist() for tensor in tensors],
            "average": mean[0].item(),
            "gather": processes.gather(rank),
            "turn": turn,
        }
        for name, settings in TRAININGS.items():
            run(settings, output / name / str(rank), output / "cache")
    found["group is gone"] = group() is None
    (output / f"found-{rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
