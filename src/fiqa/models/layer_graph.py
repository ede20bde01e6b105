"""Networks as a plain list of named layers that can be cut in two at any single-tensor bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ..core.errors import SettingsError


@dataclass(frozen=True)
class Step:
    """One layer of an `LayerGraph`: it reads some tensors and writes one.

    Attributes:
        layer: Name of the layer, ``"<place in the graph>_<operator>"``.
        inputs: Names of the tensors it reads.
        output: Name of the tensor it writes.
    """

    layer: str
    inputs: tuple[str, ...]
    output: str


class LayerGraph(nn.Module):
    """A graph of layers, run in the order of `steps`.

    Attributes:
        source: Name of the input tensor.
        output: Name of the output tensor; the input itself where there are no steps.
        steps: What reads and writes what; the last one writes the output.
        layers: The layers by name; parameters are listed in graph order.
    """

    def __init__(self, source: str, steps: Sequence[Step], *, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.source, self.steps = source, tuple(steps)
        self.output = self.steps[-1].output if self.steps else source
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
        return values[self.output]

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

    def split(self, cut: str) -> tuple[LayerGraph, LayerGraph]:
        """The part up to a cut point and the part after it: ``upper(lower(x))`` is this module.

        Both parts share the layers of this module, under the same names. After a cut at the output there is
        nothing left, and the upper part hands on what it is given.

        Raises:
            SettingsError: If `cut` is neither one of `cut_points()` nor the output.
        """
        if cut not in (cuts := self.cut_points()) and cut != self.output:
            raise SettingsError(f"cannot cut at {cut!r}; cut points are: {', '.join(cuts) or 'none'}")
        after = next(index for index, step in enumerate(self.steps) if step.output == cut) + 1
        return self._part(self.source, self.steps[:after]), self._part(cut, self.steps[after:])

    def _part(self, source: str, steps: Sequence[Step]) -> LayerGraph:
        layers = {step.layer: self.layers[step.layer] for step in steps}
        return LayerGraph(source, steps, layers=layers).train(self.training)
