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
from ..core.protocols import InputSpec

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
        WeightsError: If the file is absent or no ONNX model, its weights lie in a file that is missing, or it
            does not have exactly one input.
    """
    model = _parsed(path)
    _fold_constants(model.graph)
    _keep_data_inputs(model.graph)
    if len(model.graph.input) != 1:
        names = ", ".join(value.name for value in model.graph.input) or "none"
        raise WeightsError(f"{path}: expected one input, the image, got: {names}")
    _free_lengths(model.graph, free)
    return model


def read_crop_graph(path: Path, spec: InputSpec) -> onnx.ModelProto:
    """`read_graph` of a network that takes crops as in `spec`.

    Raises:
        WeightsError: As `read_graph`, or if the recorded input has another size, order of axes or type.
    """
    model = read_graph(path)
    given = model.graph.input[0].type.tensor_type
    if given.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(given.elem_type)
        raise WeightsError(f"{path} takes {kind} values, expected FLOAT: use the network's float version")
    lengths = [dim.dim_value or None for dim in given.shape.dim]
    expected = f"expected (n, 3, {spec.size}, {spec.size})"
    if len(lengths) == 4 and lengths[3] == 3 and lengths[1] != 3:
        raise WeightsError(
            f"{path} takes channels last (NHWC), (n, height, width, 3), {expected}: export it channels first"
        )
    wanted = (None, 3, spec.size, spec.size)
    if lengths and (
        len(lengths) != 4
        or any(one not in (None, other) for one, other in zip(lengths[1:], wanted[1:], strict=True))
    ):
        shape = ", ".join("n" if one is None else str(one) for one in lengths)
        raise WeightsError(
            f"{path} takes an input of ({shape}), {expected} for crops of size {spec.size}: "
            f"put the size that it takes into the contract"
        )
    return model


def to_float16(model: bytes) -> bytes:
    """A model with 16-bit weights, half of the size; they become 32 bits as it is loaded, and compute so.

    Args:
        model: The content of a file; its matrices and kernels of float32 are rounded, vectors stay.
    """
    proto = onnx.load_from_string(model)
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1:
            name, half = tensor.name, f"{tensor.name}.float16"
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, half))
            casts.append(onnx.helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    content: bytes = proto.SerializeToString()
    return content


def describe(path: Path) -> dict[str, dict[str, list[int | str]]]:
    """Names and recorded lengths of what an ONNX file takes and gives, under ``inputs`` and ``outputs``.

    A free length is its symbol, or ``"?"``.

    Raises:
        WeightsError: If the file is absent or no ONNX model.
    """
    graph = _parsed(path).graph
    _keep_data_inputs(graph)
    return {
        side: {
            value.name: [dim.dim_value or dim.dim_param or "?" for dim in value.type.tensor_type.shape.dim]
            for value in values
        }
        for side, values in (("inputs", graph.input), ("outputs", graph.output))
    }


def attributes(node: onnx.NodeProto) -> Attributes:
    """The attributes of a node as Python values."""
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def initializers(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """The weights of a graph by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _parsed(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise WeightsError(f"there is no file {path}; expected an ONNX model")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own errors share no base but Exception
        raise WeightsError(f"{path} is cut short or no ONNX model; fetch it again ({error})") from error
    if not model.graph.node:
        raise WeightsError(f"{path} is empty or no ONNX model; fetch it again")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise WeightsError(
            f"{path} keeps its weights in a file beside it that is missing or cut short; "
            f"put both into one folder ({error})"
        ) from error
    return model


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
