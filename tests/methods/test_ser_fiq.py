from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import SettingsError, WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.methods import ser_fiq
from fiqa.methods.ser_fiq import SerFiq
from fiqa.models.torch_recogniser import TorchRecogniser
from networks import chain, tiny_recogniser

PASSES, DROPOUT = 7, 0.3


@pytest.fixture
def crops(rng):
    return FaceCrops(rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8))


def embed_with_masks(recogniser, image, *, seed):
    """Unit embeddings of one crop, one mask at a time."""
    trunk, head = recogniser.before_embedding()
    with torch.no_grad():
        features = trunk(recogniser.prepare(image[None])).reshape(-1)
        draws = np.random.default_rng(seed).random((PASSES, len(features)), np.float32)
        rows = []
        for draw in draws:
            dropped = [
                float(value) / (1 - DROPOUT) if chance >= DROPOUT else 0.0
                for value, chance in zip(features, draw, strict=True)
            ]
            vector = head(torch.tensor([dropped])).double().numpy()[0]
            rows.append(vector / np.linalg.norm(vector))
    return rows


def distance_matrix(rows):
    """Distances above the diagonal, zero elsewhere, as the torch port of SER-FIQ fills it."""
    matrix = np.zeros((len(rows), len(rows)))
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            matrix[i, j] = math.dist(rows[i], rows[j])
    return matrix


@pytest.mark.parametrize("seed", [0, 3])
def test_scores_follow_the_published_formulas(crops, seed):
    recogniser = tiny_recogniser()
    options = {"passes": PASSES, "dropout": DROPOUT, "seed": seed}
    plain = SerFiq(recogniser, scaling="plain", **options)
    sigmoid = SerFiq(recogniser, steepness=20, offset=0.6, **options)
    for row, image in enumerate(crops.images):
        matrix = distance_matrix(embed_with_masks(recogniser, image, seed=seed))
        pairs = matrix[np.triu_indices(PASSES, 1)].mean()
        one = crops.rows(slice(row, row + 1))
        assert plain.distances(one) == pytest.approx(pairs, rel=1e-5)
        assert plain.score(one) == pytest.approx(2 / (1 + math.exp(8 * matrix.mean())), rel=1e-5)
        robustness = 2 / (1 + math.exp(pairs))
        assert sigmoid.score(one) == pytest.approx(1 / (1 + math.exp(-20 * (robustness - 0.6))), rel=1e-4)


def test_published_constants_are_the_defaults():
    recogniser = tiny_recogniser()
    assert (SerFiq(recogniser).steepness, SerFiq(recogniser).offset) == (130, 0.88)
    assert SerFiq(recogniser, scaling="plain").steepness == 8


def test_a_dropout_is_put_in_where_the_network_has_none(crops):
    torch.manual_seed(0)
    spec = InputSpec(size=16, std=255.0)
    bare = TorchRecogniser("bare", spec, module=chain(nn.Flatten(), nn.Linear(768, 4)))
    assert (SerFiq(bare, passes=5).distances(crops) > 0.01).all()


def test_without_randomness_left_the_distance_is_zero():
    constant = chain(nn.Flatten(), nn.Linear(768, 4))
    nn.init.zeros_(constant.layers["001_linear"].weight)
    recogniser = TorchRecogniser("constant", InputSpec(size=16), module=constant)
    crops = FaceCrops(np.zeros((2, 16, 16, 3), np.uint8))
    method = SerFiq(recogniser, passes=4, scaling="plain")
    np.testing.assert_allclose(method.distances(crops), 0, atol=1e-7)
    np.testing.assert_allclose(method.score(crops), 1, atol=1e-6)


def test_blocks_of_masks_and_crops_do_not_matter(crops, monkeypatch):
    whole = SerFiq(tiny_recogniser(), passes=9).distances(crops)
    monkeypatch.setattr(ser_fiq, "_DROPPED_VALUES", 1)
    monkeypatch.setattr(ser_fiq, "_BATCH", 2)
    np.testing.assert_allclose(SerFiq(tiny_recogniser(), passes=9).distances(crops), whole, rtol=1e-6)


def test_the_recogniser_is_left_as_it_was(crops):
    recogniser = tiny_recogniser()
    before = recogniser.embed(crops.images)
    SerFiq(recogniser, passes=3).score(crops)
    np.testing.assert_array_equal(recogniser.embed(crops.images), before)
    assert any(isinstance(layer, nn.Dropout) for layer in recogniser.module.layers.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": 1}, "passes must be a whole number of at least 2, got 1"),
        ({"dropout": 0.0}, "dropout must be a number above 0 and below 1, got 0.0"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"scaling": "linear"}, "scaling must be one of sigmoid, plain, got 'linear'"),
        ({"steepness": -1}, "steepness must be a number above 0"),
        ({"offset": math.nan}, "offset must be a number"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        SerFiq(tiny_recogniser(), **settings)


def test_a_network_without_a_linear_embedding_is_refused():
    module = chain(nn.Conv2d(3, 4, 16), nn.PReLU(4), nn.Flatten())
    recogniser = TorchRecogniser("convolutional", InputSpec(size=16), module=module)
    with pytest.raises(WeightsError, match="convolutional has no linear layer"):
        SerFiq(recogniser)
