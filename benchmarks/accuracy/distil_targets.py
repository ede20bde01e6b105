"""What a student should learn, tried in minutes: a small network on the teacher's embeddings stands in.

python -m benchmarks.accuracy.distil_targets CROPS CACHE TEST SCORES --data DATA

CROPS, TEST and DATA are those of configs/release.toml, CACHE and SCORES the folders cache and scores of its
output: what SFace said of all variants, and the norm of two looks (teacher.parquet). Each target is learnt on
one data set and tested on the other. `student` is the target of configs/shipped.toml; differences are to it.
A stand-in sees what SFace sees, so its areas say about how far a student that starts from pixels may get:
where it cannot be told from an embedding norm, such a student hardly can.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from benchmarks.accuracy.shipped_model import STUDENT, beds, table
from benchmarks.machine import ROOT, write_results
from numpy.typing import NDArray
from torch import nn

from fiqa.core.arrays import mean_ranks
from fiqa.core.protocols import silent
from fiqa.core.types import QualityScores
from fiqa.io.store import read_embeddings
from fiqa.models.recognisers import load_torch_recogniser
from fiqa.pipeline.distil import Distil
from fiqa.pipeline.settings import read_toml
from fiqa.train.distil import heard, norm_teacher
from fiqa.train.separation import ranks_moved, separations
from fiqa.train.variants import Joined

LEARNT_ON = {"lfw": "cfp", "degraded-lfw": "cfp", "cfp-fp": "lfw", "degraded-cfp": "lfw"}
NORMS = ("norm_sface", "norm_arcface_mbf")
EPOCHS, BATCH, WIDTH, NETWORKS = 6, 256, 256, 2


class Lesson(NamedTuple):
    """Features (n, d + 2) as `features` gives them, and targets (n,) in [0, 1] by name."""

    seen: NDArray[np.float32]
    targets: dict[str, NDArray[np.float64]]


def features(vectors: NDArray[np.floating], norms: NDArray[np.floating]) -> NDArray[np.float32]:
    """Embeddings of the first look at unit length, their norms, and the mean norms of both looks."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.column_stack([vectors / lengths, lengths, norms]).astype(np.float32)


def lesson_of(crops: Path, cache: Path) -> Lesson:
    """What SFace said of the crops and variants of the shipped recipe."""
    recipe = read_toml(ROOT / "configs" / "shipped.toml")
    stage = Distil(crops=(crops,), teacher=("sface",), output=Path("student"), **recipe)
    sources, teacher = stage._sources(cache, silent), norm_teacher(load_torch_recogniser("sface"))
    sharp, soft = heard(sources, teacher, second_look=stage.second_look, cache=cache)
    images, norms = Joined(sources), (sharp[:, 0] + soft[:, 0]) / 2
    codes = images.samples.subject_codes()
    by_sharp, by_soft = (separations(look[:, 1:], codes, images.originals) for look in (sharp, soft))
    targets = {
        "norm": ranks_moved(sharp[:, 0], by_soft, share=0),
        "norm of two looks": ranks_moved(norms, by_soft, share=0),
        "half separation, first look": ranks_moved(norms, by_sharp, share=0.5),
        STUDENT: ranks_moved(norms, by_soft, share=stage.separation),
        "separation": ranks_moved(norms, by_soft, share=1),
    }
    return Lesson(features(sharp[:, 1:], norms), targets)


def stand_in(seen: NDArray[np.float32], targets: NDArray[np.float64]) -> Sequence[nn.Module]:
    """Networks of one hidden layer that learn the rank of the target from features."""
    inputs = torch.from_numpy(seen)
    wanted = torch.from_numpy((mean_ranks(targets) / (len(targets) - 1)).astype(np.float32))
    networks = []
    for seed in range(NETWORKS):
        torch.manual_seed(seed)
        hidden = [nn.BatchNorm1d(seen.shape[1]), nn.Linear(seen.shape[1], WIDTH), nn.ReLU()]
        network = nn.Sequential(*hidden, nn.Dropout(0.1), nn.Linear(WIDTH, 1), nn.Sigmoid(), nn.Flatten(0))
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
        steps = EPOCHS * (len(seen) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
        for _ in range(EPOCHS):
            order = torch.randperm(len(seen))
            for rows in order[: len(seen) // BATCH * BATCH].split(BATCH):
                optimizer.zero_grad()
                nn.functional.smooth_l1_loss(network(inputs[rows]), wanted[rows], beta=0.1).backward()
                optimizer.step()
                schedule.step()
        networks.append(network.eval())
    return networks


@torch.inference_mode()
def predicted(networks: Sequence[nn.Module], seen: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean score (n,) of the networks."""
    inputs = torch.from_numpy(seen)
    return np.mean([network(inputs).double().numpy() for network in networks], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("crops", "cache", "test", "scores"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    lessons = {name: lesson_of(given.crops / name / "crops-arcface", given.cache) for name in ("cfp", "lfw")}
    learnt = {
        (name, target): stand_in(lesson.seen, values)
        for name, lesson in lessons.items()
        for target, values in lesson.targets.items()
    }
    rows = []
    for bed in beds(given.test, given.scores, data=given.data):
        embeddings = read_embeddings(given.test / bed.benchmark / "sface")
        taught = next(one for one in bed.scored if one.method == "teacher").at(embeddings.sample_ids)
        seen = features(embeddings.vectors * embeddings.norms[:, None], taught)
        tried = [
            QualityScores(embeddings.sample_ids, predicted(networks, seen), target)
            for (name, target), networks in learnt.items()
            if name == LEARNT_ON[bed.benchmark]
        ]
        norms = [one for one in bed.scored if one.method in NORMS]
        rows += bed.rows([*tried, *norms], replicates=given.replicates)
    print(table(rows))
    write_results(Path(__file__).parent / "results" / "distil_targets.csv", rows)


if __name__ == "__main__":
    main()
