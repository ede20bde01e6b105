from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import helper
from torch import nn

from fiqa.core.errors import WeightsError
from fiqa.models.onnx_operators import Operator, build
from fiqa.models.onnx_session import Session
from fiqa.models.onnx_torch import to_torch
from onnx_models import make_model, norm_weights, single_node

IMAGE, ROWS = ("n", 4, 6, 6), ("n", 4)


def weight(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def parts(name):
    return [f"{name}_{part}" for part in ("gamma", "beta", "mean", "var")]


NORM = norm_weights("bn", 4, np.random.default_rng(1))
HALVES = {"axes": np.array([2, 3])}

CASES = {
    "conv": (single_node("Conv", "x", "w", "b", strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2]),
             {"w": weight(5, 4, 3, 2), "b": weight(5)}, IMAGE, nn.Conv2d),
    "conv by group": (single_node("Conv", "x", "w", group=2), {"w": weight(6, 2, 1, 1)}, IMAGE, nn.Conv2d),
    "batch norm of maps": (single_node("BatchNormalization", "x", *parts("bn"), epsilon=1e-2), NORM, IMAGE,
                           nn.BatchNorm2d),
    "batch norm of rows": (single_node("BatchNormalization", "x", *parts("bn")), NORM, ROWS, nn.BatchNorm1d),
    "prelu": (single_node("PRelu", "x", "w"), {"w": weight(4, 1, 1)}, IMAGE, nn.PReLU),
    "prelu of one slope": (single_node("PRelu", "x", "w"), {"w": weight(1)}, IMAGE, nn.PReLU),
    "relu": (single_node("Relu", "x"), {}, IMAGE, nn.ReLU),
    "leaky relu": (single_node("LeakyRelu", "x", alpha=0.3), {}, IMAGE, nn.LeakyReLU),
    "sigmoid": (single_node("Sigmoid", "x"), {}, IMAGE, nn.Sigmoid),
    "clip": (single_node("Clip", "x", "low", "high"),
             {"low": np.array(-0.5, np.float32), "high": np.array(0.5, np.float32)}, IMAGE, nn.Hardtanh),
    "gemm": (single_node("Gemm", "x", "w", "b", transB=1, alpha=0.5, beta=2.0),
             {"w": weight(3, 4), "b": weight(3)}, ROWS, nn.Linear),
    "gemm not transposed": (single_node("Gemm", "x", "w", "b"), {"w": weight(4, 3), "b": weight(1)}, ROWS,
                            nn.Linear),
    "gemm without bias": (single_node("Gemm", "x", "w", transB=1), {"w": weight(3, 4)}, ROWS, nn.Linear),
    "matmul": (single_node("MatMul", "x", "w"), {"w": weight(4, 3)}, ROWS, nn.Linear),
    "max pool": (single_node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), {}, IMAGE,
                 nn.MaxPool2d),
    "max pool, ceil": (single_node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {},
                       IMAGE, nn.MaxPool2d),
    "average pool": (single_node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4), {},
                     IMAGE, nn.AvgPool2d),
    "average pool with border": (single_node("AveragePool", "x", kernel_shape=[2, 2], pads=[1] * 4,
                                             count_include_pad=1), {}, IMAGE, nn.AvgPool2d),
    "global pool": (single_node("GlobalAveragePool", "x"), {}, IMAGE, nn.AdaptiveAvgPool2d),
    "mean": (single_node("ReduceMean", "x", "axes", keepdims=0), HALVES, IMAGE, None),
    "mean, axes kept": (single_node("ReduceMean", "x", "axes"), HALVES, IMAGE, None),
    "pad channels and maps": (single_node("Pad", "x", "pads", "value"),
                              {"pads": np.array([0, 0, 1, 2, 0, 3, 0, 1]), "value": np.array(2, np.float32)},
                              IMAGE, nn.ConstantPad3d),
    "flatten": (single_node("Flatten", "x"), {}, IMAGE, nn.Flatten),
    "dropout": (single_node("Dropout", "x"), {}, IMAGE, nn.Dropout),
    "identity": (single_node("Identity", "x"), {}, IMAGE, nn.Identity),
    "minus constant": (single_node("Sub", "x", "c"), {"c": weight(1, 4, 1, 1)}, IMAGE, None),
    "constant minus": (single_node("Sub", "c", "x"), {"c": weight(1)}, IMAGE, None),
    "times itself": (single_node("Mul", "x", "x"), {}, IMAGE, None),
    "divided by constant": (single_node("Div", "x", "c"), {"c": np.array([4], np.float32)}, IMAGE, None),
    "joined": (single_node("Concat", "x", "x", axis=1), {}, IMAGE, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_operator_gives_what_onnxruntime_gives(name, rng):
    node, weights, shape, kind = CASES[name]
    model = make_model([node], weights, input_shape=shape, output_shape=None)
    data = rng.normal(size=(2, *shape[1:])).astype(np.float32)
    module = to_torch(model)
    with torch.no_grad():
        found = module(torch.from_numpy(data)).numpy()
    (expected,) = Session(model)(data)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-6)
    if kind is not None:
        assert isinstance(next(iter(module.layers.values())), kind)


def test_an_unknown_operator_is_named_with_its_place():
    nodes = [helper.make_node("Sin", ["x"], ["y"], name="wave")]
    model = make_model(nodes, {}, input_shape=ROWS, output_shape=ROWS)
    with pytest.raises(
        WeightsError, match=r"node 'wave': ONNX operator Sin is not supported; there are: Add,"
    ):
        to_torch(model)


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (Operator("Conv", {}, (None, None), 4), "Conv: input 1 must be a constant weight"),
        (Operator("Conv", {}, (None, weight(2, 2, 3)), 3), r"only two-dimensional kernels.*\(2, 2, 3\)"),
        (
            Operator("Conv", {"pads": [0, 0, 1, 1]}, (None, weight(2, 2, 3, 3)), 4),
            r"symmetric.*\(0, 0, 1, 1\)",
        ),
        (
            Operator("Conv", {"auto_pad": b"SAME_UPPER"}, (None, weight(2, 2, 3, 3)), 4),
            "only auto_pad=b'NOTSET'",
        ),
        (Operator("Gemm", {"transA": 1}, (None, weight(2, 2)), 2), "Gemm: only transA=0 is supported, got 1"),
        (Operator("MatMul", {}, (None, weight(2, 2, 2)), 3), "only a matrix of weights"),
        (Operator("Flatten", {"axis": 2}, (None,), 4), "Flatten: only axis=1 is supported, got 2"),
        (Operator("Pad", {"mode": b"edge"}, (None, np.zeros(8)), 4), "only mode=b'constant'"),
        (
            Operator("Pad", {}, (None, np.array([1, 0, 0, 0, 0, 0, 0, 0])), 4),
            "only channels, height and width",
        ),
    ],
)
def test_unsupported_forms_say_what_is_supported(operator, message):
    with pytest.raises(WeightsError, match=message):
        build(operator)


def test_building_layers_draws_nothing_at_random():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    for name in ("conv", "gemm", "prelu", "batch norm of maps"):
        node, weights, shape, _ = CASES[name]
        to_torch(make_model([node], weights, input_shape=shape, output_shape=None))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_batch_norm_trains_with_the_momentum_of_the_file():
    """ONNX weighs the old statistics by `momentum`, torch the new ones."""
    node = single_node("BatchNormalization", "x", *parts("bn"), momentum=0.9)
    module = to_torch(make_model([node], NORM, input_shape=IMAGE, output_shape=IMAGE)).train()
    module(torch.full((2, 4, 6, 6), 5.0))
    mean = module.layers["000_batchnormalization"].running_mean.numpy()
    np.testing.assert_allclose(mean, 0.9 * NORM["bn_mean"] + 0.1 * 5.0, rtol=1e-5)
