"""The student: a narrow MobileNet for 112 x 112 crops, to learn from a larger quality model.

It has the topology of MobileNetV1, which is that of SFace too, with two changes that make it cheap: the first
convolution halves the crop, and ReLU, which runtimes fuse into the convolution, takes the place of PReLU,
which made the same network four times as slow in onnxruntime.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.errors import SettingsError
from ..core.protocols import InputSpec
from .layer_graph import LayerGraph
from .torch_recogniser import TorchRecogniser
from .trace import trace

PREFIX = "student-"
"""Students are named ``student-WIDTH``, such as ``student-0.5``."""

SPEC = InputSpec(mean=127.5, std=128.0)
STEM = 32
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Channels at width 1 and stride of each depthwise-separable block."""


def student(name: str, *, seed: int = 0) -> TorchRecogniser:
    """A student of random weights as a network to train; its embedding is the pooled last map.

    Args:
        name: ``student-WIDTH``, the width a share of the channels of MobileNetV1 in (0, 2].
        seed: Of the weights.

    Raises:
        SettingsError: If the name is another.

    Source:
        Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        2017, arXiv 1704.04861.
    """
    widths = _widths(name)
    layers = _convolution(3, widths[0], kernel=3, stride=2)
    for (inputs, outputs), (_, stride) in zip(pairwise(widths), BLOCKS, strict=True):
        layers += _convolution(inputs, inputs, kernel=3, stride=stride, groups=inputs)
        layers += _convolution(inputs, outputs)
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in network:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return TorchRecogniser(name, SPEC, module=trace(network))


def _widths(name: str) -> list[int]:
    """Channels after the stem and after each block, in eights."""
    try:
        width = float(name.removeprefix(PREFIX))
    except ValueError:
        width = 0.0
    if not name.startswith(PREFIX) or not 0 < width <= 2:
        raise SettingsError(f"a student is named {PREFIX}WIDTH with a width in (0, 2], got {name!r}")
    return [max(8, round(width * channels / 8) * 8) for channels in (STEM, *(c for c, _ in BLOCKS))]


def _convolution(
    inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


@torch.no_grad()
def inherit(network: LayerGraph, parent: LayerGraph) -> None:
    """Give a student the filters of a MobileNetV1 recogniser, in place.

    A channel of the parent is kept where much depends on it: where the scale of the depthwise normalisation
    that follows times the length of its column in the convolution after that is largest.

    Raises:
        SettingsError: If the parent is built otherwise.
    """
    own, others = (_pairs(graph) for graph in (network, parent))
    if [_form(one) for one, _ in own] != [_form(one) for one, _ in others]:
        raise SettingsError(
            f"a student inherits from networks built like MobileNetV1 ({len(own)} convolutions)"
        )
    rows = [torch.arange(3)]
    for place, (convolution, _) in enumerate(own):
        if convolution.groups > 1:
            rows.append(rows[-1])
        else:
            rows.append(_weightiest(others[place:], convolution.out_channels))
        source, kept = others[place], rows[-1]
        columns = torch.arange(1) if convolution.groups > 1 else rows[-2]
        convolution.weight.copy_(source[0].weight[kept][:, columns])
        for name, tensor in own[place][1].state_dict().items():
            value = source[1].state_dict()[name]
            tensor.copy_(value if value.dim() == 0 else value[kept])


def _weightiest(rest: list[tuple[nn.Conv2d, nn.BatchNorm2d]], count: int) -> Tensor:
    """The channels that the first convolution of `rest` hands on with most weight, in order of number."""
    if len(rest) < 3:
        weight = rest[0][1].weight.abs()
    else:
        weight = rest[1][1].weight.abs() * rest[2][0].weight.flatten(2).norm(dim=(0, 2))
    return weight.topk(count).indices.sort().values


def _pairs(graph: LayerGraph) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """The convolutions, each with the normalisation behind it."""
    layers = list(graph.layers.values())
    return [
        (layer, following)
        for layer, following in pairwise(layers)
        if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d)
    ]


def _form(convolution: nn.Conv2d) -> tuple[tuple[int, ...], bool]:
    return tuple(convolution.kernel_size), convolution.groups > 1
