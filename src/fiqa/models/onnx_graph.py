"""ONNX files made plain: float weights, one input, and free batch or image dimensions.

Published files come block-quantised, with float16 weights, with a fixed batch of one, or with weights listed
as graph inputs. `read_graph` undoes all of it once, so that both runners meet one simple form.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from ..core.errors import WeightsError

Attributes = dict[str, Any]


def read_graph(path: Path, *, free: Literal["batch", "image"] = "batch") -> onnx.ModelProto:
    """Read an ONNX network and bring it to the plain form.

    Args:
        path: The ONNX file.
        free: Whose recorded lengths are given up: those of the batch, or height and width of the image.

    Returns:
        A model whose constants are folded (dequantised and cast weights become float32 initialisers), with a
        single input that is no weight.

    Raises:
        WeightsError: If the file is no ONNX model or does not have exactly one input.
    """
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's own errors share no base but Exception
        raise WeightsError(f"{path} is not a readable ONNX model: {error}") from error
    _fold_constants(model.graph)
    _keep_data_inputs(model.graph)
    if len(model.graph.input) != 1:
        names = ", ".join(value.name for value in model.graph.input) or "none"
        raise WeightsError(f"{path}: expected one input, the image, got: {names}")
    _free_lengths(model.graph, free)
    return model


def attributes(node: onnx.NodeProto) -> Attributes:
    """The attributes of a node as Python values."""
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def initializers(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """The weights of a graph by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _fold_constants(graph: onnx.GraphProto) -> None:
    """Evaluate the nodes that depend on weights alone and drop what nothing reads any more."""
    known = initializers(graph)
    kept = []
    for node in graph.node:
        fold = _FOLDS.get(node.op_type)
        if fold is not None and all(name in known for name in node.input):
            known[node.output[0]] = fold([known[name] for name in node.input], attributes(node))
        else:
            kept.append(node)
    read = {name for node in kept for name in node.input}
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, order="C"), name)
        for name, value in known.items()
        if name in read
    )


def _keep_data_inputs(graph: onnx.GraphProto) -> None:
    """Drop inputs that are weights or that nothing reads."""
    weights = {tensor.name for tensor in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    data = [value for value in graph.input if value.name in read - weights]
    del graph.input[:]
    graph.input.extend(data)


def _free_lengths(graph: onnx.GraphProto, free: Literal["batch", "image"]) -> None:
    """Replace recorded lengths by symbols, and forget those of outputs that may follow from them."""
    for axis in (0,) if free == "batch" else (2, 3):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"{free}_{axis}"
    for value in graph.output:
        if free == "image":
            value.type.tensor_type.ClearField("shape")
        elif value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch_0"


def _dequantise(inputs: list[NDArray[Any]], options: Attributes) -> NDArray[Any]:
    """DequantizeLinear of a whole tensor, by axis, or in blocks along an axis."""
    values, scale = inputs[0], inputs[1]
    zero = inputs[2] if len(inputs) > 2 else np.zeros((), values.dtype)
    axis, block = options.get("axis", 1), options.get("block_size", 0)
    if block:
        length = values.shape[axis]
        scale, zero = (np.repeat(item, block, axis).take(range(length), axis) for item in (scale, zero))
    elif scale.ndim == 1 and values.ndim > 1:
        shape = [-1 if index == axis % values.ndim else 1 for index in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.ndim else zero
    steps = values.astype(np.int32) - zero.astype(np.int32)
    dequantised: NDArray[np.float32] = np.multiply(steps, scale, dtype=np.float32)
    return dequantised


def _cast(inputs: list[NDArray[Any]], options: Attributes) -> NDArray[Any]:
    return inputs[0].astype(onnx.helper.tensor_dtype_to_np_dtype(options["to"]))


def _reshape(inputs: list[NDArray[Any]], options: Attributes) -> NDArray[Any]:
    values, shape = inputs[0], inputs[1].tolist()
    if not options.get("allowzero"):
        shape = [values.shape[axis] if length == 0 else length for axis, length in enumerate(shape)]
    return values.reshape(shape)


def _constant(_: list[NDArray[Any]], options: Attributes) -> NDArray[Any]:
    value = next(iter(options.values()))
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


_FOLDS: dict[str, Callable[[list[NDArray[Any]], Attributes], NDArray[Any]]] = {
    "Cast": _cast,
    "Constant": _constant,
    "DequantizeLinear": _dequantise,
    "Identity": lambda inputs, _: inputs[0],
    "Reshape": _reshape,
}
