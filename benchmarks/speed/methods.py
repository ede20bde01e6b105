"""Cost of a score a crop, and SER-FIQ and FaceQAN against plain loops in the same run.

Two loops stand beside each: ``loop`` handles one crop and one pass (or copy) at a time, ``published`` one
crop and all of its passes (or copies) as one batch, which is how the released programs go about it. Both run
the whole network for every pass of SER-FIQ, and let gradients of the weights be computed for FaceQAN.

    python -m benchmarks.speed.methods [--recogniser sface] [--weights FILE] [--crops 8] [--looped 1]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmarks.machine import write_results
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from fiqa.core.types import FaceCrops
from fiqa.methods import METHODS, load_method
from fiqa.models.recognisers import load_recogniser, load_torch_recogniser
from fiqa.models.torch_recogniser import TorchRecogniser

RESULTS = Path(__file__).parent / "results" / "methods.csv"
PASSES, COPIES, STEPS, EPSILON = 100, 10, 5, 0.001


def ser_fiq_loop(recogniser: TorchRecogniser, images: np.ndarray, *, at_once: int) -> list[float]:
    """SER-FIQ by whole forward passes with a live dropout, `at_once` of them in a batch."""
    module = copy.deepcopy(recogniser.module)
    for layer in module.modules():
        layer.train(isinstance(layer, nn.Dropout))
    scores = []
    for image in images:
        crop = recogniser.prepare(image[None]).expand(at_once, -1, -1, -1)
        with torch.no_grad():
            vectors = torch.cat([module(crop) for _ in range(PASSES // at_once)])
        robustness = 2 / (1 + torch.pdist(normalize(vectors)).mean().exp())
        scores.append(float(torch.sigmoid(130 * (robustness - 0.88))))
    return scores


def faceqan_loop(recogniser: TorchRecogniser, images: np.ndarray, *, at_once: int) -> list[float]:
    """FaceQAN by one backward pass a step through crop and weights, `at_once` copies in a batch."""
    module = copy.deepcopy(recogniser.module).requires_grad_(True)
    reach = EPSILON * 255 / recogniser.spec.std
    scores = []
    for image in images:
        clean = recogniser.prepare(image[None])
        with torch.no_grad():
            target, mirrored = module(clean), module(clean.flip(3))
        similarities = []
        for _ in range(COPIES // at_once):
            noise = torch.empty(at_once, *clean.shape[1:]).uniform_(-reach, reach)
            similarities += _attack(module, clean + noise, target, reach)
        s = torch.cat(similarities)
        base = (1 + s.mean()) / 2 * (1 - s.std(correction=0)) * cosine_similarity(target, mirrored)
        scores.append(float(base**5))
    return scores


def _attack(module: nn.Module, copies: Tensor, target: Tensor, reach: float) -> list[Tensor]:
    similarities = []
    for _ in range(STEPS):
        copies.requires_grad_(True)
        similarity = cosine_similarity(module(copies), target)
        module.zero_grad()
        (1 - similarity).mean().backward()
        similarities.append(similarity.detach())
        copies = (copies + reach * copies.grad.sign()).detach()
    return similarities


LOOPS: dict[tuple[str, str], tuple[Callable[..., list[float]], int]] = {
    ("ser_fiq", "loop"): (ser_fiq_loop, 1),
    ("ser_fiq", "published"): (ser_fiq_loop, PASSES),
    ("faceqan", "loop"): (faceqan_loop, 1),
    ("faceqan", "published"): (faceqan_loop, COPIES),
}


def milliseconds(work: Callable[[], object], count: int, rounds: int = 2) -> float:
    """Shortest time an item over some rounds, after one to warm up where the work is short."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recogniser", default="sface")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--crops", type=int, default=8)
    parser.add_argument("--looped", type=int, default=1, help="crops for the plain loops")
    options = parser.parse_args()
    recogniser = load_torch_recogniser(options.recogniser, path=options.weights)
    runner = load_recogniser(options.recogniser, path=options.weights)
    size = recogniser.spec.size
    images = np.random.default_rng(0).integers(0, 256, (options.crops, size, size, 3), dtype=np.uint8)
    crops = FaceCrops(images)
    forward = milliseconds(lambda: recogniser.embed(images), options.crops, rounds=3)
    rows = [("embedding in torch", "ours", options.crops, forward)]
    for row in METHODS:
        if row.target and row.needs != "checkpoint" and size == 112:
            method = load_method(row.name, runner if row.needs == "recogniser" else recogniser)
            rows.append(
                (row.name, "ours", len(crops), milliseconds(lambda m=method: m.score(crops), len(crops)))
            )
    for (name, way), (loop, at_once) in LOOPS.items():
        some = images[: options.looped]
        cost = milliseconds(lambda f=loop, k=at_once, x=some: f(recogniser, x, at_once=k), len(some))
        rows.append((name, way, len(some), cost))
    ours = {name: cost for name, way, _, cost in rows if way == "ours"}
    write_results(
        RESULTS,
        [
            {
                "recogniser": options.recogniser,
                "method": name,
                "way": way,
                "crops": count,
                "ms_per_crop": round(cost, 2),
                "times_ours": round(cost / ours[name], 2),
            }
            for name, way, count, cost in rows
        ],
    )
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
