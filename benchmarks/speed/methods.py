"""Cost of a score a crop by every method, and SER-FIQ and FaceQAN against plain loops in the same run.

Two loops stand beside each, written from the formula: ``loop`` handles one crop and one pass (or copy) at a
time, ``published`` one crop and all of its passes (or copies) as one batch, which is how the released
programs go about it. Both run the whole network for every pass of SER-FIQ. For FaceQAN ``loop`` takes the
gradient with regard to the crop alone and ``published`` that of the weights too. FaceQAN's loops get the
noise of the method, and how far their scores differ from it is printed.

Published networks have random weights in them, which cost as much as the true ones.

    python -m benchmarks.speed.methods [--recognisers arcface_mbf sface] [--crops 8] [--looped 1]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmarks.machine import write_results
from benchmarks.scorers import scorers, torch_recogniser
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, dropout, normalize

from fiqa.core.types import FaceCrops
from fiqa.methods import METHODS, load_method
from fiqa.methods.faceqan import FaceQan
from fiqa.models.layouts import layouts_of
from fiqa.models.torch_recogniser import TorchRecogniser

RESULTS = Path(__file__).parent / "results" / "methods.csv"
PASSES, COPIES, STEPS, EPSILON = 100, 10, 5, 0.001


def ser_fiq_loop(recogniser: TorchRecogniser, images: np.ndarray, *, at_once: int) -> list[float]:
    """SER-FIQ by whole forward passes with a live dropout before the embedding, `at_once` in a batch."""
    trunk, head = recogniser.before_embedding()
    scores = []
    for image in images:
        crop = recogniser.prepare(image[None]).expand(at_once, -1, -1, -1)
        with torch.no_grad():
            vectors = torch.cat(
                [head(dropout(trunk(crop).flatten(1), 0.4)) for _ in range(PASSES // at_once)]
            )
        robustness = 2 / (1 + torch.pdist(normalize(vectors)).mean().exp())
        scores.append(float(torch.sigmoid(130 * (robustness - 0.88))))
    return scores


def faceqan_loop(recogniser: TorchRecogniser, images: np.ndarray, *, at_once: int) -> list[float]:
    """FaceQAN by one backward pass a step, `at_once` copies in a batch; of the weights too if several."""
    module = copy.deepcopy(recogniser.module).requires_grad_(at_once > 1)
    spec = recogniser.spec
    mean, std = (float(np.mean(value)) for value in (spec.mean, spec.std))
    reach = EPSILON * 255 / std
    noise = np.random.default_rng(0).uniform(-reach, reach, (COPIES, 3, spec.size, spec.size))
    fields = torch.from_numpy(noise.astype(np.float32)).split(at_once)
    scores = []
    for image in images:
        clean = recogniser.prepare(image[None])
        with torch.no_grad():
            target, mirrored = module(clean), module(clean.flip(3))
        bounds = [(255 * bound - mean) / std for bound in (-1, 1)]
        s = torch.cat([_attack(module, clean + field, target, reach, bounds) for field in fields])
        base = (1 + s.mean()) / 2 * (1 - s.std(correction=0)) * cosine_similarity(target, mirrored)
        scores.append(float(base**5))
    return scores


def _attack(module: nn.Module, copies: Tensor, target: Tensor, reach: float, bounds: list[float]) -> Tensor:
    similarities = []
    for _ in range(STEPS):
        copies = copies.detach().clamp(*bounds).requires_grad_(True)
        similarity = cosine_similarity(module(copies), target)
        module.zero_grad()
        (1 - similarity).mean().backward()
        similarities.append(similarity.detach())
        copies = copies + reach * copies.grad.sign()
    return torch.cat(similarities)


LOOPS: dict[tuple[str, str], tuple[Callable[..., list[float]], int]] = {
    ("ser_fiq", "loop"): (ser_fiq_loop, 1),
    ("ser_fiq", "published"): (ser_fiq_loop, PASSES),
    ("faceqan", "loop"): (faceqan_loop, 1),
    ("faceqan", "published"): (faceqan_loop, COPIES),
}


def milliseconds(work: Callable[[], object], count: int, rounds: int = 3) -> float:
    """Shortest time an item over some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / count


def costs(name: str, images: np.ndarray, looped: int) -> list[dict[str, object]]:
    """Rows for one recogniser."""
    recogniser, crops = torch_recogniser(name), FaceCrops(images)
    some = images[:looped]
    rows = [
        ("embedding in torch", "ours", len(crops), milliseconds(lambda: recogniser.embed(images), len(crops)))
    ]
    layers = {"froq": lambda found: {"layers": list(found.module.layers)[-4:]}}
    for method, _, scorer in scorers([name], layers):
        rows.append((method, "ours", len(crops), milliseconds(lambda m=scorer: m.score(crops), len(crops))))
        for (looping, way), (loop, at_once) in LOOPS.items():
            if looping == method:
                work = lambda f=loop, k=at_once: f(recogniser, some, at_once=k)  # noqa: E731
                rows.append((method, way, looped, milliseconds(work, looped, rounds=2)))
    difference = np.abs(
        FaceQan(recogniser).score(FaceCrops(some)) - faceqan_loop(recogniser, some, at_once=1)
    )
    print(f"{name}: FaceQAN's loop gives the same scores within {difference.max():.1g}")
    ours = {method: cost for method, way, _, cost in rows if way == "ours"}
    return [result(name, method, way, count, cost, cost / ours[method]) for method, way, count, cost in rows]


def result(
    recogniser: str, method: str, way: str, crops: int, cost: float, times_ours: float = 1.0
) -> dict[str, object]:
    """One line of the table; the cost is in milliseconds a crop."""
    return {
        "recogniser": recogniser,
        "method": method,
        "way": way,
        "crops": crops,
        "threads": torch.get_num_threads(),
        "ms_per_crop": round(cost, 2),
        "times_ours": round(times_ours, 2),
    }


def published_costs(images: np.ndarray, folder: Path) -> list[dict[str, object]]:
    """Rows of the methods whose official network has a known layout, each in its largest size."""
    rows = []
    for row in METHODS:
        if row.needs == "weights" and (layouts := list(layouts_of(row.name))):
            layout = max(layouts, key=lambda one: one.entries)
            path = folder / f"{layout.name}.pth"
            torch.save(layout.build().state_dict(), path)
            method = load_method(row.name, weights=path)
            cost = milliseconds(lambda m=method: m.score(FaceCrops(images)), len(images))
            rows.append(result(layout.name, row.name, "ours", len(images), cost))
            path.unlink()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--recognisers", nargs="+", default=["arcface_mbf", "sface"], help="with 112-pixel crops"
    )
    parser.add_argument("--crops", type=int, default=8)
    parser.add_argument("--looped", type=int, default=1, help="crops for the plain loops")
    options = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (options.crops, 112, 112, 3), dtype=np.uint8)
    rows = [row for name in options.recognisers for row in costs(name, images, options.looped)]
    with tempfile.TemporaryDirectory() as folder:
        rows += published_costs(images, Path(folder))
    write_results(RESULTS, rows)
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
