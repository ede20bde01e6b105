from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper
from torch import nn

from fiqa.core.errors import DataError, WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.models.onnx_session import OnnxRecogniser
from fiqa.models.onnx_torch import to_torch
from fiqa.models.torch_recogniser import TorchRecogniser
from onnx_models import make_model, single_node, tiny_recogniser

SPEC = InputSpec(size=8, mean=127.5, std=127.5)


@pytest.fixture
def model(rng):
    return tiny_recogniser(rng)


@pytest.fixture
def recogniser(model):
    return TorchRecogniser("tiny", SPEC, module=to_torch(model))


@pytest.fixture
def crops(rng):
    return rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)


def test_both_runners_give_the_same_embeddings(recogniser, model, crops):
    session = OnnxRecogniser("tiny", SPEC, model=model)
    assert recogniser.dimension == session.dimension == 6
    np.testing.assert_allclose(recogniser.embed(crops), session.embed(crops), atol=1e-5)
    assert recogniser.embed(crops[:0]).shape == (0, 6)


def test_parameters_are_frozen_and_gradients_reach_the_crop(recogniser, crops):
    assert not any(parameter.requires_grad for parameter in recogniser.module.parameters())
    pixels = recogniser.prepare(crops[:2]).requires_grad_()
    recogniser.module(pixels).square().sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_before_embedding_drops_the_dropout(recogniser, crops):
    trunk, head = recogniser.before_embedding()
    pixels = recogniser.prepare(crops)
    flat = trunk.train()(pixels[:1].repeat(4, 1, 1, 1))
    assert not any(isinstance(layer, nn.Dropout) for layer in trunk.layers.values())
    assert flat.shape == (4, 64)
    trunk.eval()
    np.testing.assert_allclose(head(trunk(pixels)).numpy(), recogniser.embed(crops), atol=1e-5)
    assert any(isinstance(layer, nn.Dropout) for layer in recogniser.module.layers.values())


def test_split_is_the_split_of_the_module(recogniser, crops):
    lower, upper = recogniser.split("sum")
    result = upper(lower(recogniser.prepare(crops))).numpy()
    np.testing.assert_array_equal(result[:32], recogniser.embed(crops[:32]))


def test_an_embedding_without_linear_layer_has_no_such_split():
    nodes = [helper.make_node("Conv", ["x", "w"], ["maps"]), single_node("Flatten", "maps")]
    weights = {"w": np.ones((2, 3, 8, 8), np.float32)}
    model = make_model(nodes, weights, input_shape=("n", 3, 8, 8), output_shape=("n", 2))
    with pytest.raises(WeightsError, match="recogniser flat has no linear layer"):
        TorchRecogniser("flat", SPEC, module=to_torch(model)).before_embedding()


def test_crops_of_another_size_are_refused(recogniser):
    with pytest.raises(DataError, match=r"crops must be \(n, 8, 8, 3\)"):
        recogniser.embed(np.zeros((1, 9, 9, 3), np.uint8))


def test_embeddings_are_made_without_a_graph(recogniser, crops):
    recogniser.module.requires_grad_(True)
    assert isinstance(recogniser.embed(crops), np.ndarray)
    assert torch.is_grad_enabled()
