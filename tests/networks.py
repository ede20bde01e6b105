"""Tiny recognisers and crops for tests that train."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops, QualityScores, SampleSet
from fiqa.models.checkpoint import RegressorRecord, save_regressor, state_digest
from fiqa.models.layer_graph import LayerGraph, Step
from fiqa.models.regressor import Regressor
from fiqa.models.torch_recogniser import TorchRecogniser

SPEC = InputSpec(size=16, mean=127.5, std=64.0)


def chain(*layers: nn.Module) -> LayerGraph:
    """The layers one after the other; the tensor after layer k is named ``t<k>``, the input ``t0``."""
    names = [f"{index:03d}_{type(layer).__name__.lower()}" for index, layer in enumerate(layers)]
    steps = [Step(name, (f"t{index}",), f"t{index + 1}") for index, name in enumerate(names)]
    return LayerGraph("t0", steps, layers=dict(zip(names, layers, strict=True)))


def tiny_recogniser(seed: int = 0, *, name: str = "tiny", width: int = 6) -> TorchRecogniser:
    """Two convolutions, a dropout and a linear embedding of length 8; 16 parameter tensors."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = chain(
            nn.Conv2d(3, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.PReLU(4),
            nn.Conv2d(4, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(16 * width, 8),
            nn.BatchNorm1d(8),
        )
    return TorchRecogniser(name, SPEC, module=module)


def deep_recogniser() -> TorchRecogniser:
    """A linear embedding of length 4 and 51 linear layers above it; 104 parameter tensors."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        above = [nn.Linear(4, 4) for _ in range(51)]
        for layer in above:
            nn.init.eye_(layer.weight)
        module = chain(nn.Flatten(), nn.Linear(3 * 16 * 16, 4), *above)
    return TorchRecogniser("deep", SPEC, module=module)


def quality_network() -> nn.Module:
    """A convolution and a linear score of 16-pixel crops; 10 tensors."""
    layers = OrderedDict(
        conv=nn.Conv2d(3, 4, 3, stride=2),
        bn=nn.BatchNorm2d(4),
        prelu=nn.PReLU(4),
        flatten=nn.Flatten(),
        drop=nn.Dropout(0.5),
        score=nn.Linear(4 * 7 * 7, 1),
    )
    return nn.Sequential(layers)


def regressor_file(folder: Path, recogniser: TorchRecogniser) -> tuple[Path, Regressor]:
    """A checkpoint of an untrained regressor on this recogniser, and the regressor."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        regressor = Regressor(recogniser.module, recogniser.dimension).eval()
    record = RegressorRecord(
        recogniser=recogniser.name,
        recogniser_digest=state_digest(recogniser.module),
        spec=recogniser.spec,
        dimension=recogniser.dimension,
        label_method="made-up",
        targets="minmax",
    )
    path = folder / "regressor.pt"
    save_regressor(path, regressor, record=record)
    return path, regressor


class MemoryCrops:
    """Crops held in memory, with a count of how often they were loaded."""

    def __init__(self, images: np.ndarray, samples: SampleSet) -> None:
        self.images, self.samples, self.loads = images, samples, 0

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.images.tobytes()).hexdigest()

    def load(self, rows: np.ndarray) -> FaceCrops:
        self.loads += 1
        return FaceCrops(self.images[rows])


def brightness_task(
    n_subjects: int = 12, per_subject: int = 8, seed: int = 3
) -> tuple[MemoryCrops, QualityScores]:
    """Noisy crops whose label is how bright they are."""
    rng = np.random.default_rng(seed)
    n = n_subjects * per_subject
    levels = rng.uniform(40, 215, n)
    images = np.clip(rng.normal(levels[:, None, None, None], 20, (n, 16, 16, 3)), 0, 255).astype(np.uint8)
    ids = np.array([f"s{row // per_subject:02d}/{row % per_subject}.png" for row in range(n)])
    samples = SampleSet(ids, np.array([name.split("/")[0] for name in ids]))
    return MemoryCrops(images, samples), QualityScores(ids, levels, "brightness")
