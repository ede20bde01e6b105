"""Tiny ONNX networks built by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IR_VERSION = 10


def make_model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray],
    *,
    input_shape: tuple[Any, ...],
    output_shape: tuple[Any, ...] | None,
    listed_inputs: tuple[str, ...] = (),
    opset: int = 21,
) -> onnx.ModelProto:
    """A model from `x` to `y` (of any shape if None); `listed_inputs` are further graph inputs."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)]
    inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1,)) for name in listed_inputs]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)


def single_node(kind: str, *inputs: str, **options: Any) -> onnx.NodeProto:
    """A node named after its operator that writes `y`."""
    return helper.make_node(kind, list(inputs), ["y"], **options)


def norm_weights(name: str, channels: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scale, shift, mean and (positive) variance of a batch normalisation."""
    values = rng.normal(size=(4, channels)).astype(np.float32)
    values[3] = np.abs(values[3]) + 0.5
    return dict(zip((f"{name}_{part}" for part in ("gamma", "beta", "mean", "var")), values, strict=True))


def tiny_recogniser(rng: np.random.Generator, *, batch: int | str = "n") -> onnx.ModelProto:
    """Conv, BatchNorm, PReLU, a residual branch, BatchNorm, Dropout, Flatten, Gemm, BatchNorm: 8x8 to 6."""

    def normal(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    weights = {
        "stem": normal(4, 3, 3, 3),
        **norm_weights("bn1", 4, rng),
        "slope": normal(4, 1, 1),
        "branch": normal(4, 1, 3, 3),
        **norm_weights("bn2", 4, rng),
        "ratio": np.float32(0.4) * np.ones((), np.float32),
        "fc": normal(6, 64),
        "fc_bias": normal(6),
        **norm_weights("bn3", 6, rng),
    }

    def norm(name: str, source: str, target: str) -> onnx.NodeProto:
        parts = [f"{name}_{part}" for part in ("gamma", "beta", "mean", "var")]
        return helper.make_node("BatchNormalization", [source, *parts], [target], momentum=0.75)

    nodes = [
        helper.make_node("Conv", ["x", "stem"], ["stem_out"], strides=[2, 2], pads=[1, 1, 1, 1]),
        norm("bn1", "stem_out", "bn1_out"),
        helper.make_node("PRelu", ["bn1_out", "slope"], ["act"]),
        helper.make_node("Conv", ["act", "branch"], ["branch_out"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["branch_out", "act"], ["sum"]),
        norm("bn2", "sum", "bn2_out"),
        helper.make_node("Dropout", ["bn2_out", "ratio"], ["drop_out"]),
        helper.make_node("Flatten", ["drop_out"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc", "fc_bias"], ["fc_out"], transB=1),
        norm("bn3", "fc_out", "y"),
    ]
    return make_model(nodes, weights, input_shape=(batch, 3, 8, 8), output_shape=(batch, 6))


def brightness(*, size: int | str = 8, flat: bool = False) -> onnx.ModelProto:
    """Mean of all values of an image, (n, 1) or (n,): the simplest quality model."""
    axes = {"axes": np.array([1, 2, 3])}
    nodes = [single_node("ReduceMean", "x", "axes", keepdims=0)]
    if not flat:
        nodes = [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
            single_node("Flatten", "mean"),
        ]
    return make_model(nodes, axes, input_shape=("n", 3, size, size), output_shape=None)


def quantised() -> onnx.ModelProto:
    """The values of an 8x8 image rounded to whole numbers by integer operators, (n, 192)."""
    weights = {"step": np.ones((), np.float32), "zero": np.zeros((), np.uint8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["whole"]),
        helper.make_node("DequantizeLinear", ["whole", "step", "zero"], ["real"]),
        single_node("Flatten", "real"),
    ]
    return make_model(nodes, weights, input_shape=("n", 3, 8, 8), output_shape=None)


def saved(model: onnx.ModelProto, path: Path) -> Path:
    """The path of the model written there."""
    onnx.save(model, str(path))
    return path
