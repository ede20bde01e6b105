"""Scores of crops by two published packages, from their wheels, which are not installed.

python -m pip download --no-deps qualityface==1.0.3 insightface==2.1
python -m benchmarks.peers qualityface WHEEL CROPS -o SCORES.csv
python -m benchmarks.peers insightface WHEEL CROPS -o SCORES.csv

qualityface: a MobileNetV2 that regresses quality, its weights inside the wheel; crops are resized to 128.
insightface: the quality heuristic of its desktop program (sharpness, exposure, pose by landmarks, size and
confidence of the detection). On aligned crops the whole crop is the face and the detection certain, so the
last two are constant.
"""

from __future__ import annotations

import argparse
import importlib.util
import zipfile
import zipimport
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fiqa.core.types import FaceCrops, QualityScores
from fiqa.io.crops import CropFolder
from fiqa.io.store import write_scores

BATCH = 64
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks and first stride of MobileNetV2 (arXiv 1801.04381, table 2)."""
PREFIX = "module.backbone.net."

Score = Callable[[FaceCrops], NDArray[np.float64]]


def unit(inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = kernel // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class Block(nn.Module):
    """An inverted residual."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        narrow = [nn.Conv2d(inner, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        wide = [unit(inputs, inner)] if expansion > 1 else []
        self.conv = nn.Sequential(*wide, unit(inner, inner, kernel=3, stride=stride, groups=inner), *narrow)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, data: Tensor) -> Tensor:
        result: Tensor = self.conv(data)
        return data + result if self.residual else result


class MobileNetV2(nn.Module):
    """Its feature extractor, pooled, under one linear output."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [unit(3, 32, kernel=3, stride=2)]
        width = 32
        for expansion, channels, count, stride in STAGES:
            for number in range(count):
                step = stride if number == 0 else 1
                layers.append(Block(width, channels, expansion=expansion, stride=step))
                width = channels
        self.features = nn.Sequential(*layers, unit(width, 1280))
        self.classify = nn.Linear(1280, 1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.features(images).mean(dim=(2, 3)))
        return scores.squeeze(1)


def qualityface(wheel: Path) -> Score:
    with zipfile.ZipFile(wheel) as archive, archive.open("qualityface/checkpoints/last.pth") as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    own = {name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)}
    own |= {
        name.removeprefix("module."): state[name]
        for name in ("module.classify.weight", "module.classify.bias")
    }
    network = MobileNetV2().eval()
    network.load_state_dict({name: tensor for name, tensor in own.items() if "classifier" not in name})

    @torch.inference_mode()
    def score(crops: FaceCrops) -> NDArray[np.float64]:
        resized = np.stack([cv2.resize(image, (128, 128)) for image in crops.images])
        planes = torch.from_numpy(resized).permute(0, 3, 1, 2).float() / 127.5 - 1
        values: NDArray[np.float64] = network(planes).double().numpy()
        return values

    return score


def _module(folder: str, name: str) -> Any:
    """A module alone, without the packages around it."""
    spec = zipimport.zipimporter(folder).find_spec(name)
    assert spec is not None, f"{folder} has no module {name}"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def insightface(wheel: Path) -> Score:
    module = _module(f"{wheel}/insightface/gui/core", "quality")

    def score(crops: FaceCrops) -> NDArray[np.float64]:
        size = crops.images.shape[1]
        points = [None] * len(crops) if crops.landmarks is None else crops.landmarks
        return np.array(
            [
                module.score_face(np.ascontiguousarray(image[..., ::-1]), (0, 0, size, size), five)[0]
                for image, five in zip(crops.images, points, strict=True)
            ]
        )

    return score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("package", choices=["qualityface", "insightface"])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("crops", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    score = {"qualityface": qualityface, "insightface": insightface}[given.package](given.wheel)
    folder = CropFolder.open(given.crops)
    values = [score(folder.load(slice(start, start + BATCH))) for start in range(0, len(folder), BATCH)]
    write_scores(
        given.output, QualityScores(folder.samples.sample_ids, np.concatenate(values), given.package)
    )


if __name__ == "__main__":
    main()
