"""ONNX networks as differentiable torch modules that can be cut in two at any single-tensor bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
from torch import Tensor, nn

from ..core.errors import SettingsError, WeightsError
from .onnx_graph import attributes, initializers
from .onnx_operators import Operator, build


@dataclass(frozen=True)
class Step:
    """One layer of an `OnnxModule`: it reads some tensors and writes one.

    Attributes:
        layer: Name of the layer, ``"<place in the graph>_<operator>"``.
        inputs: Names of the tensors it reads.
        output: Name of the tensor it writes.
    """

    layer: str
    inputs: tuple[str, ...]
    output: str


class OnnxModule(nn.Module):
    """A graph of layers, run in the order of `steps`.

    Attributes:
        source: Name of the input tensor.
        steps: What reads and writes what; the last one writes the output.
        layers: The layers by name; parameters are listed in graph order.
    """

    def __init__(self, source: str, steps: Sequence[Step], *, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.source, self.steps = source, tuple(steps)
        self.layers = nn.ModuleDict(layers)
        last_read = {name: index for index, step in enumerate(self.steps) for name in step.inputs}
        self._spent = tuple(
            tuple(name for name in dict.fromkeys(step.inputs) if last_read[name] == index)
            for index, step in enumerate(self.steps)
        )

    def forward(self, data: Tensor) -> Tensor:
        """The output for a batch; tensors are let go after their last use."""
        values = {self.source: data}
        for step, spent in zip(self.steps, self._spent, strict=True):
            values[step.output] = self.layers[step.layer](*(values[name] for name in step.inputs))
            for name in spent:
                del values[name]
        return values[self.steps[-1].output]

    def cut_points(self) -> tuple[str, ...]:
        """Names of the tensors through which everything later passes, in order.

        The input and the output of the module are not among them.
        """
        cuts, alive = [], {self.source}
        for step, spent in zip(self.steps[:-1], self._spent, strict=False):
            alive = (alive | {step.output}) - set(spent)
            if alive == {step.output}:
                cuts.append(step.output)
        return tuple(cuts)

    def split(self, cut: str) -> tuple[OnnxModule, OnnxModule]:
        """The part up to a cut point and the part after it: ``upper(lower(x))`` is this module.

        Both parts share the layers of this module, under the same names.

        Raises:
            SettingsError: If `cut` is not one of `cut_points()`.
        """
        if cut not in (cuts := self.cut_points()):
            raise SettingsError(f"cannot cut at {cut!r}; cut points are: {', '.join(cuts) or 'none'}")
        after = next(index for index, step in enumerate(self.steps) if step.output == cut) + 1
        return self._part(self.source, self.steps[:after]), self._part(cut, self.steps[after:])

    def _part(self, source: str, steps: Sequence[Step]) -> OnnxModule:
        layers = {step.layer: self.layers[step.layer] for step in steps}
        return OnnxModule(source, steps, layers=layers).train(self.training)


def to_torch(model: onnx.ModelProto) -> OnnxModule:
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
    return OnnxModule(graph.input[0].name, steps, layers=layers).eval()


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
