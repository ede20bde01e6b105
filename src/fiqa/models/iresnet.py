"""iresnet: the improved residual network of ArcFace and of most that came after it.

Parameters have the names of the published files. All parts are modules, so that `trace` can list them.
"""

from __future__ import annotations

import operator

from torch import Tensor, nn

from .onnx_operators import Arithmetic

BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}
"""Blocks of the four stages by the depth in the name."""

WIDTHS = (64, 128, 256, 512)


class Block(nn.Module):
    """Normalise, convolve twice, add the input; the second convolution and the shortcut have the stride."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, eps: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, eps=eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=eps)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps=eps)
        self.downsample: nn.Module | None = None
        if stride > 1:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs, eps=eps))
        self.add = Arithmetic(operator.add, None, None)

    def forward(self, data: Tensor) -> Tensor:
        """Maps (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        result = self.conv1(self.bn1(data))
        result = self.bn3(self.conv2(self.prelu(self.bn2(result))))
        shortcut = data if self.downsample is None else self.downsample(data)
        summed: Tensor = self.add(result, shortcut)
        return summed


class IResNet(nn.Module):
    """Four stages, each of which halves the 112 x 112 input, then a linear embedding and its normalisation.

    Source:
        Duta, Liu, Zhu, Shao 2020, arXiv 2004.04989; Deng, Guo, Xue, Zafeiriou 2019, arXiv 1801.07698.
    """

    def __init__(self, depth: int, *, eps: float, dropout: nn.Module) -> None:
        """Build the network.

        Args:
            depth: Row of `BLOCKS`.
            eps: Of every normalisation.
            dropout: In front of the linear layer, on maps (n, 512, 7, 7); it has no parameters.
        """
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0], eps=eps)
        self.prelu = nn.PReLU(WIDTHS[0])
        inputs = (WIDTHS[0], *WIDTHS[:-1])
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(inputs[row], outputs, count=count, eps=eps)
            for row, (outputs, count) in enumerate(zip(WIDTHS, BLOCKS[depth], strict=True))
        )
        self.bn2 = nn.BatchNorm2d(WIDTHS[-1], eps=eps)
        self.dropout = dropout
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(WIDTHS[-1] * 7 * 7, 512)
        self.features = nn.BatchNorm1d(512, eps=eps)

    def forward(self, data: Tensor) -> Tensor:
        """Prepared crops (n, 3, 112, 112) to embeddings (n, 512), not normalised."""
        data = self.prelu(self.bn1(self.conv1(data)))
        data = self.layer4(self.layer3(self.layer2(self.layer1(data))))
        result: Tensor = self.features(self.fc(self.flatten(self.dropout(self.bn2(data)))))
        return result


class CrFiqaNet(IResNet):
    """An iresnet with one linear score on its embedding."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth, eps=1e-5, dropout=nn.Dropout(0.4))
        self.qs = nn.Linear(512, 1)

    def forward(self, data: Tensor) -> Tensor:
        """Prepared crops (n, 3, 112, 112) to scores (n, 1)."""
        score: Tensor = self.qs(super().forward(data))
        return score


def iresnet(depth: int) -> nn.Module:
    """As ArcFace, CosFace and ElasticFace published it."""
    return IResNet(depth, eps=1e-5, dropout=nn.Dropout(0.0))


def magface(depth: int) -> nn.Module:
    """As MagFace published it: dropout of whole channels, another eps."""
    return IResNet(depth, eps=2e-5, dropout=nn.Dropout2d(0.4))


def insightface_mxnet(depth: int) -> nn.Module:
    """As insightface published it for MXNet: dropout, another eps."""
    return IResNet(depth, eps=2e-5, dropout=nn.Dropout(0.4))


def _stage(inputs: int, outputs: int, *, count: int, eps: float) -> nn.Sequential:
    blocks = [
        Block(outputs if row else inputs, outputs, stride=1 if row else 2, eps=eps) for row in range(count)
    ]
    return nn.Sequential(*blocks)
