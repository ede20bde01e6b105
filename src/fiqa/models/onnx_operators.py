"""ONNX operators as torch layers: one short builder an operator.

Layers become the real torch ones (Conv2d, BatchNorm, PReLU, Linear ...), so that they freeze, train and count
like those of any network.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import WeightsError

Weight = NDArray[Any]


@dataclass(frozen=True)
class Operator:
    """One node of a graph, as a builder sees it.

    Attributes:
        kind: ONNX operator type.
        options: Attributes by name.
        weights: Per input its constant value, or None where data flows in or nothing is given.
        rank: Number of axes of the first input.
    """

    kind: str
    options: dict[str, Any]
    weights: tuple[Weight | None, ...]
    rank: int

    def weight(self, index: int) -> Weight | None:
        """The constant at an input, or None."""
        return self.weights[index] if index < len(self.weights) else None

    def constant(self, index: int) -> Weight:
        """The constant at an input, which has to be one."""
        value = self.weight(index)
        if value is None:
            raise WeightsError(f"{self.kind}: input {index} must be a constant weight")
        return value

    def expect(self, **wanted: Any) -> None:
        """Refuse attributes with another value than the one supported."""
        for name, value in wanted.items():
            if (found := self.options.get(name, value)) != value:
                raise WeightsError(f"{self.kind}: only {name}={value} is supported, got {found}")


def build(op: Operator) -> nn.Module:
    """The torch layer of a node; it takes the node's data inputs in order.

    Raises:
        WeightsError: If the operator, or this form of it, is not supported.
    """
    builder = _BUILDERS.get(op.kind)
    if "Integer" in op.kind or "Linear" in op.kind:  # QLinearConv, QuantizeLinear, MatMulInteger ...
        raise WeightsError(
            f"ONNX operator {op.kind} computes with integers and has no gradient; "
            f"use the float version of the network"
        )
    if builder is None:
        raise WeightsError(f"ONNX operator {op.kind} is not supported; there are: {', '.join(_BUILDERS)}")
    return builder(op)


class Arithmetic(nn.Module):
    """A binary operation of data with data, or of data with a constant on either side."""

    def __init__(
        self, operation: Callable[[Any, Any], Any], left: Weight | None, right: Weight | None
    ) -> None:
        super().__init__()
        self.operation = operation
        self.register_buffer("left", None if left is None else torch.tensor(left))
        self.register_buffer("right", None if right is None else torch.tensor(right))

    def forward(self, *data: Tensor) -> Tensor:
        """`operation(left, right)` with the data in the places that are no constants."""
        values = iter(data)
        left, right = (next(values) if side is None else side for side in (self.left, self.right))
        result: Tensor = self.operation(left, right)
        return result


class Concat(nn.Module):
    """Joins its inputs along an axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *data: Tensor) -> Tensor:
        """The joined tensor."""
        return torch.cat(data, self.axis)


class Mean(nn.Module):
    """Mean over some axes."""

    def __init__(self, axes: tuple[int, ...], keep: bool) -> None:
        super().__init__()
        self.axes, self.keep = axes, keep

    def forward(self, data: Tensor) -> Tensor:
        """The mean."""
        return data.mean(self.axes, keepdim=self.keep)


def _filled(
    kind: type[nn.Module], *args: Any, weights: dict[str, Weight | None], **settings: Any
) -> nn.Module:
    """A layer with given weights; nothing is drawn from torch's global generator."""
    layer = kind(*args, device="meta", **settings).to_empty(device="cpu")
    with torch.no_grad():
        for name, value in weights.items():
            if value is not None:
                getattr(layer, name).copy_(torch.tensor(value))
    return layer


def _padding(op: Operator) -> tuple[int, int]:
    """Padding of height and width, the same on both sides."""
    op.expect(auto_pad=b"NOTSET")
    top, left, bottom, right = op.options.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise WeightsError(f"{op.kind}: only symmetric padding is supported, got {top, left, bottom, right}")
    return top, left


def _conv(op: Operator) -> nn.Module:
    weight, bias = op.constant(1), op.weight(2)
    if weight.ndim != 4:
        raise WeightsError(f"{op.kind}: only two-dimensional kernels are supported, got {weight.shape}")
    groups = op.options.get("group", 1)
    return _filled(
        nn.Conv2d,
        weight.shape[1] * groups,
        weight.shape[0],
        weight.shape[2:],
        stride=tuple(op.options.get("strides", (1, 1))),
        padding=_padding(op),
        dilation=tuple(op.options.get("dilations", (1, 1))),
        groups=groups,
        bias=bias is not None,
        weights={"weight": weight, "bias": bias},
    )


def _batch_norm(op: Operator) -> nn.Module:
    names = ("weight", "bias", "running_mean", "running_var")
    weights: dict[str, Weight | None] = {name: op.constant(index + 1) for index, name in enumerate(names)}
    layer = (nn.BatchNorm2d if op.rank == 4 else nn.BatchNorm1d)(
        len(op.constant(1)),
        eps=op.options.get("epsilon", 1e-5),
        momentum=1.0 - op.options.get("momentum", 0.9),
    )
    layer.load_state_dict({name: torch.tensor(value) for name, value in weights.items()}, strict=False)
    return layer


def _prelu(op: Operator) -> nn.Module:
    slope = op.constant(1)
    return _filled(nn.PReLU, slope.size, weights={"weight": slope.reshape(-1)})


def _linear(weight: Weight, bias: Weight | None) -> nn.Module:
    size = weight.shape[::-1]
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), size[1:])
    return _filled(nn.Linear, *size, bias=bias is not None, weights={"weight": weight, "bias": bias})


def _gemm(op: Operator) -> nn.Module:
    op.expect(transA=0)
    weight, bias = op.constant(1), op.weight(2)
    weight = op.options.get("alpha", 1.0) * (weight if op.options.get("transB", 0) else weight.T)
    return _linear(weight, None if bias is None else op.options.get("beta", 1.0) * bias)


def _matmul(op: Operator) -> nn.Module:
    if op.constant(1).ndim != 2:
        raise WeightsError(f"{op.kind}: only a matrix of weights is supported, got {op.constant(1).shape}")
    return _linear(op.constant(1).T, None)


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Operator], nn.Module]:
    return lambda op: Arithmetic(operation, op.weight(0), op.weight(1))


def _max_pool(op: Operator) -> nn.Module:
    return nn.MaxPool2d(
        tuple(op.options["kernel_shape"]),
        stride=tuple(op.options.get("strides", (1, 1))),
        padding=_padding(op),
        dilation=tuple(op.options.get("dilations", (1, 1))),
        ceil_mode=bool(op.options.get("ceil_mode", 0)),
    )


def _average_pool(op: Operator) -> nn.Module:
    return nn.AvgPool2d(
        tuple(op.options["kernel_shape"]),
        stride=tuple(op.options.get("strides", (1, 1))),
        padding=_padding(op),
        ceil_mode=bool(op.options.get("ceil_mode", 0)),
        count_include_pad=bool(op.options.get("count_include_pad", 0)),
    )


def _pad(op: Operator) -> nn.Module:
    op.expect(mode=b"constant")
    before, after = op.constant(1).reshape(2, -1).tolist()
    if len(before) != 4 or before[0] or after[0]:
        raise WeightsError(f"{op.kind}: only channels, height and width can be padded, got {before}, {after}")
    value = op.weight(2)
    sides = tuple(side for axis in (3, 2, 1) for side in (before[axis], after[axis]))
    return nn.ConstantPad3d(sides, 0.0 if value is None else float(value))


def _flatten(op: Operator) -> nn.Module:
    op.expect(axis=1)
    return nn.Flatten()


def _dropout(op: Operator) -> nn.Module:
    ratio = op.weight(1)
    return nn.Dropout(float(op.options.get("ratio", 0.5) if ratio is None else ratio))


def _clip(op: Operator) -> nn.Module:
    low, high = op.weight(1), op.weight(2)
    return nn.Hardtanh(
        float(op.options.get("min", -np.inf) if low is None else low),
        float(op.options.get("max", np.inf) if high is None else high),
    )


def _mean(op: Operator) -> nn.Module:
    axes = op.options.get("axes") or op.constant(1).tolist()
    return Mean(tuple(axes), bool(op.options.get("keepdims", 1)))


_BUILDERS: dict[str, Callable[[Operator], nn.Module]] = {
    "Add": _arithmetic(operator.add),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": lambda op: Concat(op.options["axis"]),
    "Conv": _conv,
    "Div": _arithmetic(operator.truediv),
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _: nn.AdaptiveAvgPool2d(1),
    "Identity": lambda _: nn.Identity(),
    "LeakyRelu": lambda op: nn.LeakyReLU(op.options.get("alpha", 0.01)),
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Mul": _arithmetic(operator.mul),
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": lambda _: nn.ReLU(),
    "Sigmoid": lambda _: nn.Sigmoid(),
    "Sub": _arithmetic(operator.sub),
}
