from __future__ import annotations

import copy
import operator

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import SettingsError, WeightsError
from fiqa.core.types import FaceCrops
from fiqa.methods import grafiqs
from fiqa.methods.grafiqs import Grafiqs
from fiqa.models.layer_graph import LayerGraph, Step
from fiqa.models.onnx_operators import Arithmetic
from fiqa.models.torch_recogniser import TorchRecogniser
from networks import SPEC, chain, tiny_recogniser

BLOCK_ENDS = {"block1": "block1", "block2": "block2"}


@pytest.fixture
def crops(rng):
    coarse = rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    return FaceCrops(coarse.repeat(2, axis=1).repeat(2, axis=2))


def residual_recogniser() -> TorchRecogniser:
    """A stem at the resolution of the crop, two residual blocks that halve it, and a normalised head."""
    steps, layers = [], {}

    def add(name, layer, *inputs):
        steps.append(Step(f"{len(steps):03d}", inputs, name))
        layers[steps[-1].layer] = layer

    def block(name, before, width_in, width):
        add(f"{name}-norm", nn.BatchNorm2d(width_in), before)
        add(f"{name}-conv", nn.Conv2d(width_in, width, 3, stride=2, padding=1), f"{name}-norm")
        add(f"{name}-slope", nn.PReLU(width), f"{name}-conv")
        add(f"{name}-short", nn.Conv2d(width_in, width, 1, stride=2), before)
        add(f"{name}-scaled", nn.BatchNorm2d(width), f"{name}-short")
        add(name, Arithmetic(operator.add, None, None), f"{name}-slope", f"{name}-scaled")

    with torch.random.fork_rng():
        torch.manual_seed(1)
        add("stem", nn.Conv2d(3, 4, 3, padding=1), "x")
        block("block1", "stem", 4, 6)
        block("block2", "block1", 6, 5)
        add("norm", nn.BatchNorm2d(5), "block2")
        add("flat", nn.Flatten(), "norm")
        add("embedding", nn.Linear(80, 4), "flat")
        for layer in layers.values():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.2, 2)
    return TorchRecogniser("residual", SPEC, module=LayerGraph("x", steps, layers=layers))


def score_of(recogniser, image, *, cut):
    """Score of one crop, layer by layer and channel by channel in float64, gradient at a cut or the image."""
    module = copy.deepcopy(recogniser.module).double()
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None] / 127.5 - 1).requires_grad_()
    values = {module.source: (127.5 * (pixels + 1) - SPEC.mean) / SPEC.std}
    mismatches = []
    for step in module.steps:
        layer = module.layers[step.layer]
        if isinstance(layer, nn.BatchNorm2d):
            total = 0.0
            for channel, data in enumerate(values[step.inputs[0]][0]):
                variance = ((data - data.mean()) ** 2).mean()
                total += (data.mean() - layer.running_mean[channel]) ** 2
                total += (variance - layer.running_var[channel]) ** 2
            mismatches.append(total / layer.num_features)
        values[step.output] = layer(*(values[name] for name in step.inputs))
    (slope,) = torch.autograd.grad(sum(mismatches) / len(mismatches), pixels if cut is None else values[cut])
    return -float(slope.abs().sum())


@pytest.mark.parametrize("place", ["image", "block1", "block2"])
def test_scores_are_those_of_one_image_at_a_time(crops, place):
    recogniser = residual_recogniser()
    expected = [score_of(recogniser, image, cut=BLOCK_ENDS.get(place)) for image in crops.images]
    assert np.ptp(expected) > 0.05 * abs(np.mean(expected))
    np.testing.assert_allclose(Grafiqs(recogniser, place=place).score(crops), expected, rtol=1e-4)


def test_blocks_of_a_chain_end_before_a_last_normalisation(crops):
    expected = [score_of(tiny_recogniser(), image, cut="t4") for image in crops.images]
    np.testing.assert_allclose(Grafiqs(tiny_recogniser(), place="block2").score(crops), expected, rtol=1e-4)


def test_a_crop_that_fits_the_statistics_scores_zero():
    norm = nn.BatchNorm2d(3)
    recogniser = TorchRecogniser("norm", SPEC, module=chain(norm, nn.Flatten(), nn.Linear(768, 2)))
    crops = FaceCrops(np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8))
    data = recogniser.prepare(crops.images[:1])
    norm.running_mean.copy_(data.mean((0, 2, 3)))
    norm.running_var.copy_(data.var((0, 2, 3), correction=0))
    fits, other = Grafiqs(recogniser, place="image").score(crops)
    assert other < fits
    assert fits == pytest.approx(0, abs=1e-3 * abs(other))


def test_batches_do_not_matter(crops, monkeypatch):
    whole = Grafiqs(residual_recogniser()).score(crops)
    monkeypatch.setattr(grafiqs, "_BATCH", 2)
    np.testing.assert_allclose(Grafiqs(residual_recogniser()).score(crops), whole, rtol=1e-5)


def test_what_cannot_be_read_is_told():
    with pytest.raises(SettingsError, match="place must be one of image, block1, block2, got 'block3'"):
        Grafiqs(residual_recogniser(), place="block3")
    bare = TorchRecogniser("folded", SPEC, module=chain(nn.Flatten(), nn.Linear(768, 2), nn.BatchNorm1d(2)))
    with pytest.raises(WeightsError, match="folded has no batch normalisation to read"):
        Grafiqs(bare)


@pytest.mark.data
def test_recognisers_with_and_without_their_normalisations(data_root):
    from fiqa.models.recognisers import load_torch_recogniser

    assert Grafiqs(load_torch_recogniser("sface"), place="block4").place == "block4"
    folded = load_torch_recogniser("arcface_mbf", path=data_root / "models" / "arcface_mbf.onnx")
    with pytest.raises(WeightsError, match="arcface_mbf has no batch normalisation"):
        Grafiqs(folded)
