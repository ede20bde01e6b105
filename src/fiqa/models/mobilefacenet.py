"""MobileFaceNet in the two forms it was published in: other widths, other names of the same parts.

All parts are modules, so that `trace` can list them.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from .onnx_operators import Arithmetic


class Residual(nn.Module):
    """Adds to its input what its children, one after the other, make of it."""

    def __init__(self, children: OrderedDict[str, nn.Module]) -> None:
        super().__init__()
        self.names = tuple(children)
        for name, child in children.items():
            self.add_module(name, child)
        self.add = Arithmetic(operator.add, None, None)

    def forward(self, data: Tensor) -> Tensor:
        """Maps (n, channels, h, w) to such maps."""
        result = data
        for name in self.names:
            result = self.get_submodule(name)(result)
        summed: Tensor = self.add(data, result)
        return summed


class UnitLength(nn.Module):
    """Divides each row by its Euclidean length."""

    def forward(self, data: Tensor) -> Tensor:
        """Rows (n, d) of length 1."""
        length: Tensor = data.norm(dim=1, keepdim=True)
        return data / length


@dataclass(frozen=True)
class _Parts:
    """Builds the parts of one form.

    Attributes:
        width: Channels of the first stage.
        unit: Names of convolution, normalisation and slope in a unit; empty where they are numbered below a
            child called `layers`.
        bottleneck: Names of the three units of a bottleneck; empty likewise.
        stack: Name of the child that holds the bottlenecks of a stage.
    """

    width: int
    unit: tuple[str, ...]
    bottleneck: tuple[str, ...]
    stack: str

    def stages(self) -> list[nn.Module]:
        """The whole network as 13 stages, crops (n, 3, 112, 112) in and embeddings (n, 512) out."""
        narrow, wide = self.width, 2 * self.width
        return [
            self._unit(3, narrow, kernel=3, stride=2),
            self._unit(narrow, narrow, kernel=3, groups=64),
            nn.Sequential(self._bottleneck(narrow, 128, narrow, stride=2)),
            self._stack(narrow, 128, count=4),
            nn.Sequential(self._bottleneck(narrow, 256, wide, stride=2)),
            self._stack(wide, 256, count=6),
            nn.Sequential(self._bottleneck(wide, 512, wide, stride=2)),
            self._stack(wide, 256, count=2),
            self._unit(wide, 512),
            self._unit(512, 512, kernel=7, groups=512, slope=False),
            nn.Flatten(),
            nn.Linear(512, 512, bias=False),
            nn.BatchNorm1d(512),
        ]

    def _unit(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        slope: bool = True,
    ) -> nn.Sequential:
        padding = 1 if kernel == 3 else 0
        convolution = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=False
        )
        layers = [convolution, nn.BatchNorm2d(outputs), *([nn.PReLU(outputs)] if slope else [])]
        return nn.Sequential(_named(layers, self.unit))

    def _bottleneck(
        self, inputs: int, inner: int, outputs: int, *, stride: int = 1
    ) -> OrderedDict[str, nn.Module]:
        units = [
            self._unit(inputs, inner),
            self._unit(inner, inner, kernel=3, stride=stride, groups=inner),
            self._unit(inner, outputs, slope=False),
        ]
        return _named(units, self.bottleneck)

    def _stack(self, channels: int, inner: int, *, count: int) -> nn.Sequential:
        blocks = [Residual(self._bottleneck(channels, inner, channels)) for _ in range(count)]
        return nn.Sequential(OrderedDict({self.stack: nn.Sequential(*blocks)}))


def _named(layers: Sequence[nn.Module], names: tuple[str, ...]) -> OrderedDict[str, nn.Module]:
    """The layers under these names, or numbered below one child called `layers`."""
    if names:
        return OrderedDict(zip(names, layers, strict=False))
    return OrderedDict(layers=nn.Sequential(*layers))


def mobilefacenet() -> nn.Module:
    """As insightface published it for torch, 128 channels wide; embeddings (n, 512), not normalised."""
    stages = _Parts(128, unit=(), bottleneck=(), stack="layers").stages()
    head = nn.Sequential(_named(stages[9:], ()))
    return nn.Sequential(OrderedDict(layers=nn.Sequential(*stages[:8]), conv_sep=stages[8], features=head))


def unit_mobilefacenet() -> nn.Module:
    """The older form that eDifFIQA(T) is built on, 64 channels wide; embeddings (n, 512) of unit length."""
    parts = _Parts(64, unit=("conv", "bn", "prelu"), bottleneck=("conv", "conv_dw", "project"), stack="model")
    names = (
        *("conv1", "conv2_dw", "conv_23", "conv_3", "conv_34", "conv_4", "conv_45", "conv_5"),
        *("conv_6_sep", "conv_6_dw", "conv_6_flatten", "linear", "bn", "unit_length"),
    )
    return nn.Sequential(OrderedDict(zip(names, [*parts.stages(), UnitLength()], strict=True)))
