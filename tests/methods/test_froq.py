from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import FaceCrops
from fiqa.methods import froq
from fiqa.methods.froq import Froq, search_layers, stability
from fiqa.models.torch_recogniser import TorchRecogniser
from networks import SPEC, chain, tiny_recogniser


@pytest.fixture
def crops(rng):
    """Fourteen crops of random contrast and coarseness."""
    images = []
    for row in range(14):
        side = (4, 8, 16)[row % 3]
        coarse = rng.normal(128, rng.uniform(5, 90), (side, side, 3)).clip(0, 255).astype(np.uint8)
        images.append(coarse.repeat(16 // side, axis=0).repeat(16 // side, axis=1))
    return FaceCrops(np.stack(images))


def outputs_of(recogniser, image):
    """Flattened output of each layer of a chain for one crop."""
    data, found = recogniser.prepare(image[None]), {}
    for step in recogniser.module.steps:
        data = recogniser.module.layers[step.layer](data)
        found[step.layer] = data.detach().double().numpy().ravel()
    return found


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def stability_of(recogniser, image, *, fields):
    """Stability of one crop, one disturbed copy at a time with pixels in [-1, 1], in float64."""
    module = copy.deepcopy(recogniser.module).double()

    def embed(pixels):
        with torch.no_grad():
            return module(torch.from_numpy((127.5 * (pixels + 1) - SPEC.mean) / SPEC.std)[None]).numpy()[0]

    pixels = image.transpose(2, 0, 1) / 127.5 - 1
    own = embed(pixels)
    mirrored = cosine(own, embed(pixels[:, :, ::-1].copy()))
    noisy = [cosine(own, embed(0.999 * pixels + 0.001 * field)) for field in fields]
    covered = []
    for top in range(0, 16, 2):
        for left in range(0, 16, 2):
            hidden = pixels.copy()
            hidden[:, top : top + 2, left : left + 2] = -1
            covered.append(cosine(own, embed(hidden)))
    return (mirrored + np.mean(noisy) + np.mean(covered)) / 3


def search_of(norms, wanted):
    """The greedy search, by lists and scipy."""

    def rate(names):
        return round(spearmanr(np.mean([norms[name] for name in names], axis=0), wanted)[0], 12)

    rest = sorted(norms, key=lambda name: -rate([name]))[:10]
    taken, values = [], []
    while rest:
        rated = [rate([*taken, name]) for name in rest]
        taken.append(rest.pop(rated.index(max(rated))))
        values.append(max(rated))
    best = values.index(max(values))
    return tuple(taken[: best + 1]), values[best]


def test_the_score_is_the_mean_length_of_the_outputs(crops):
    recogniser = tiny_recogniser()
    layers = ("000_conv2d", "005_prelu", "009_batchnorm1d")
    expected = [
        np.mean([np.linalg.norm(outputs_of(recogniser, image)[name]) for name in layers])
        for image in crops.images
    ]
    np.testing.assert_allclose(Froq(recogniser, layers=layers).score(crops), expected, rtol=1e-5)


def test_stability_follows_its_definition(crops):
    fields = np.random.default_rng(4).standard_normal((10, 3, 16, 16), np.float32)
    recogniser, done = tiny_recogniser(), []
    few = crops.rows(slice(4))
    expected = [stability_of(recogniser, image, fields=fields) for image in few.images]
    found = stability(recogniser, few, seed=4, progress=lambda *counts: done.append(counts))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.ptp(expected) > 0.01
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("seed", range(4))
def test_the_search_is_that_of_a_plain_loop(crops, seed, monkeypatch):
    recogniser = tiny_recogniser(seed)
    wanted = np.random.default_rng(seed).normal(size=len(crops))
    wanted += 0.02 * crops.images.std(axis=(1, 2, 3))
    monkeypatch.setattr(froq, "stability", lambda *_, **__: wanted)
    outputs = [outputs_of(recogniser, image) for image in crops.images]
    norms = {name: [np.linalg.norm(item[name]) for item in outputs] for name in outputs[0]}
    layers, agreement = search_of(norms, wanted)
    found = search_layers(recogniser, crops)
    assert found.layers == layers
    assert found.agreement == pytest.approx(agreement, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_layers_of_one_length_and_repeated_layers_do_no_harm(crops, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        linear = nn.Linear(768, 3)
    constant = chain(nn.Flatten(), linear, nn.Identity(), nn.Linear(3, 2))
    nn.init.zeros_(constant.layers["003_linear"].weight)
    nn.init.ones_(constant.layers["003_linear"].bias)
    recogniser = TorchRecogniser("constant", SPEC, module=constant)
    with pytest.raises(DataError, match="equally stable"):
        search_layers(recogniser, crops)
    steady = TorchRecogniser(
        "steady", SPEC, module=chain(nn.Flatten(), nn.LayerNorm(768, eps=0, bias=False), linear)
    )
    assert "001_layernorm" not in search_layers(steady, crops).layers


def test_ties_share_their_mean_rank():
    np.testing.assert_array_equal(froq._centred_ranks(np.array([3.0, 1.0, 3.0, 0.5])), [1, -0.5, 1, -1.5])


def test_the_grid_has_cells_of_fourteen_pixels():
    grid = froq._grid(112).numpy()
    assert grid.shape == (64, 1, 112, 112)
    assert grid[:, 0].sum(axis=(1, 2)).tolist() == [14 * 14] * 64
    assert grid[9, 0, 14:28, 14:28].all()
    assert (grid.sum(0) == 1).all()


def test_batches_do_not_matter(crops, monkeypatch):
    method = Froq(tiny_recogniser(), layers=("002_prelu", "008_linear"))
    whole = method.score(crops)
    monkeypatch.setattr(froq, "_BATCH", 3)
    np.testing.assert_allclose(method.score(crops), whole, rtol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), r"froq needs the layers that `fiqa froq` found on tiny, got \(\)"),
        ("008_linear", "got '008_linear'"),
        (7, "got 7"),
        (("008_linear", "099_conv"), "got 099_conv, which it does not have"),
    ],
)
def test_layers_that_are_not_there_are_refused(layers, message):
    with pytest.raises(SettingsError, match=message):
        Froq(tiny_recogniser(), layers=layers)


def test_too_few_crops_are_refused(crops):
    with pytest.raises(DataError, match="at least 10 crops to find layers, got 9"):
        search_layers(tiny_recogniser(), crops.rows(slice(9)))
