"""ONNX networks as differentiable torch modules."""

from __future__ import annotations

import onnx

from ..core.errors import WeightsError
from .layer_graph import LayerGraph, Step
from .onnx_graph import attributes, initializers
from .onnx_operators import Operator, build


def to_torch(model: onnx.ModelProto) -> LayerGraph:
    """Build the torch module of a plain ONNX model with one input and one output, in evaluation mode.

    Args:
        model: As `read_graph` gives it.

    Raises:
        WeightsError: If an operator is not supported, naming it and its place, or the graph has several
            outputs.
    """
    graph = model.graph
    if len(graph.output) != 1:
        raise WeightsError(f"expected one output, got {', '.join(value.name for value in graph.output)}")
    weights, ranks = initializers(graph), _ranks(model)
    steps, layers = [], {}
    for index, node in enumerate(_needed_nodes(graph)):
        name = f"{index:03d}_{node.op_type.lower()}"
        constants = tuple(weights.get(item) for item in node.input)
        rank = ranks.get(node.input[0], 4)
        try:
            layers[name] = build(Operator(node.op_type, attributes(node), constants, rank))
        except WeightsError as error:
            raise WeightsError(f"node {node.name or node.output[0]!r}: {error}") from error
        data = tuple(item for item in node.input if item and item not in weights)
        steps.append(Step(name, data, node.output[0]))
    return LayerGraph(graph.input[0].name, steps, layers=layers).eval()


def _needed_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that the output depends on, in order."""
    needed, nodes = {graph.output[0].name}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed.update(node.input)
            nodes.append(node)
    return nodes[::-1]


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Number of axes of each tensor, where it can be inferred."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info)
    return {value.name: len(value.type.tensor_type.shape.dim) for value in values}
