"""IR networks: residual networks for faces whose blocks are one flat list, in the published variants.

Parameters have the names of the published files. All parts are modules, so that `trace` can list them.
"""

from __future__ import annotations

import operator

from torch import Tensor, nn

from .iresnet import BLOCKS, WIDTHS
from .onnx_operators import Arithmetic


class Block(nn.Module):
    """Normalise, convolve twice, add the input; a shortcut of equal width takes every stride-th pixel."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, normalised: bool) -> None:
        """Build a block.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            stride: Of the second convolution and of the shortcut.
            normalised: Whether a normalisation stands between the first convolution and its PReLU.
        """
        super().__init__()
        if inputs == outputs:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        else:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut_layer = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            *([nn.BatchNorm2d(outputs)] if normalised else []),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.add = Arithmetic(operator.add, None, None)

    def forward(self, data: Tensor) -> Tensor:
        """Maps (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        shortcut = self.shortcut_layer(data)
        summed: Tensor = self.add(self.res_layer(data), shortcut)
        return summed


class IrTrunk(nn.Module):
    """Crops (n, 3, 112, 112) to maps (n, 512, 7, 7), on which a variant puts its head."""

    def __init__(self, depth: int, *, normalised: bool) -> None:
        super().__init__()
        stem = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.input_layer = nn.Sequential(stem, nn.BatchNorm2d(WIDTHS[0]), nn.PReLU(WIDTHS[0]))
        blocks, inputs = [], WIDTHS[0]
        for outputs, count in zip(WIDTHS, BLOCKS[depth], strict=True):
            for row in range(count):
                stride = 1 if row else 2
                blocks.append(Block(inputs, outputs, stride=stride, normalised=normalised))
                inputs = outputs
        self.body = nn.Sequential(*blocks)

    def maps(self, data: Tensor) -> Tensor:
        """What the head gets."""
        result: Tensor = self.body(self.input_layer(data))
        return result


class IrRecogniser(IrTrunk):
    """Embeddings (n, 512), not normalised, from a normalisation without parameters."""

    def __init__(self, depth: int, *, normalised: bool) -> None:
        super().__init__(depth, normalised=normalised)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(WIDTHS[-1]),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(WIDTHS[-1] * 7 * 7, 512),
            nn.BatchNorm1d(512, affine=False),
        )

    def forward(self, data: Tensor) -> Tensor:
        """Prepared crops (n, 3, 112, 112) to embeddings."""
        result: Tensor = self.output_layer(self.maps(data))
        return result


class SddFiqaNet(IrTrunk):
    """Scores (n, 1), about 0..100, straight from the flattened maps."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth, normalised=False)
        width = WIDTHS[-1] * 7 * 7
        self.quality = nn.Sequential(nn.Flatten(), nn.PReLU(width), nn.Dropout(0.5), nn.Linear(width, 1))

    def forward(self, data: Tensor) -> Tensor:
        """Prepared crops (n, 3, 112, 112) to scores."""
        score: Tensor = self.quality(self.maps(data))
        return score


def curricularface(depth: int) -> nn.Module:
    """As CurricularFace published it (Huang et al. 2020, arXiv 2004.00288)."""
    return IrRecogniser(depth, normalised=False)


def adaface(depth: int) -> nn.Module:
    """As AdaFace published it (Kim, Jain, Liu 2022, arXiv 2204.00964)."""
    return IrRecogniser(depth, normalised=True)
