"""Torch modules as graphs of their layers."""

from __future__ import annotations

from torch import fx, nn

from ..core.errors import WeightsError
from .layer_graph import LayerGraph, Step


class _Layers(fx.Tracer):
    """Looks into every module that has children, and takes the others as layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return next(m.children(), None) is None


def trace(module: nn.Module) -> LayerGraph:
    """List the layers of a module in the order in which they run; they are shared, not copied.

    A tensor is named after the layer that writes it, dots replaced: ``"layer4_2_add"`` is what
    ``module.layer4[2].add`` returns.

    Args:
        module: Takes one tensor, gives one, and does everything between in submodules.

    Raises:
        WeightsError: If it does something outside of its submodules, naming that.
    """
    source = ""
    steps: list[Step] = []
    layers: dict[str, nn.Module] = {}
    for node in _Layers().trace(module).nodes:
        if node.op == "placeholder":
            source = node.name
        elif node.op == "call_module":
            name = f"{len(steps):03d}_{node.name}"
            layers[name] = module.get_submodule(node.target)
            steps.append(Step(name, tuple(arg.name for arg in node.args), node.name))
        elif node.op != "output":
            raise WeightsError(f"{type(module).__name__} calls {node.target} outside of its submodules")
    return LayerGraph(source, steps, layers=layers).train(module.training)
