"""GraFIQs: a good crop asks for little change of a network made for crops like it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import WeightsError
from ..core.types import FaceCrops
from ..models.layer_graph import LayerGraph
from ..models.torch_recogniser import TorchRecogniser
from ..models.watch import watching
from .bounds import one_of

_BATCH = 8


class Grafiqs:
    """Minus the size of the gradient that would fit a crop to the batch normalisations of a recogniser.

    With m and v the mean and biased variance over space of one crop's input to a batch normalisation, by
    channel, and m', v' those that it keeps from training,

        mismatch = mean over the L normalisations of [mean (m - m')^2 + mean (v - v')^2]

    and the score is -sum |d mismatch / d x|, higher = more useful, at most 0, on the recogniser's own scale.
    x is the crop with pixels in [-1, 1] or the output of a block. Statistics are those of each crop alone,
    as in a published batch of one, though crops run together.

    The score tells what is far from the training data: on SFace, severe degradations lower it, but mild
    compression, noise, darkness and occlusion raise it a little (see ``benchmarks/accuracy/severity.py``).

    Source:
        Kolf, Damer, Boutros, "GraFIQs: Face Image Quality Assessment Using Gradient Magnitudes", CVPRW 2024,
        arXiv 2404.12203.
    """

    name = "grafiqs"

    def __init__(self, recogniser: TorchRecogniser, *, place: str = "block2") -> None:
        """Cut the network at a place.

        Args:
            recogniser: One that still has its two-dimensional batch normalisations.
            place: ``image`` or ``block1``, ``block2`` ...: where the gradient is taken. Block k ends where
                everything passes through one tensor for the last time at its resolution with a batch
                normalisation still to come; a resolution below the crop's counts. On a ResNet these are the
                published four blocks.

        Raises:
            SettingsError: If there is no such place.
            WeightsError: If the recogniser has no batch normalisation to read.
        """
        module = recogniser.module
        self._norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
        if not self._norms:
            raise WeightsError(
                f"recogniser {recogniser.name} has no batch normalisation to read; exporters often fold it "
                f"into the convolutions: take a file that kept it, or sface"
            )
        self.spec = recogniser.spec
        self._recogniser = recogniser
        cuts = _block_ends(recogniser)
        self.place = one_of("place", place, ("image", *cuts))
        self._lower: LayerGraph | None = None
        self._upper, self._unit = module, torch.from_numpy(127.5 / self.spec.channel_std)
        if place != "image":
            (self._lower, self._upper), self._unit = module.split(cuts[place]), torch.ones(1)

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), at most 0, higher = more useful.

        Raises:
            DataError: If the crops have another size than the recogniser wants.
        """
        blocks = [np.zeros(0)]
        for start in range(0, len(crops), _BATCH):
            place = self._recogniser.prepare(crops.images[start : start + _BATCH])
            if self._lower is not None:
                with torch.no_grad():
                    place = self._lower(place)
            place.requires_grad_()
            (slope,) = torch.autograd.grad(self._mismatch(place).sum(), place)
            slope = slope.mul(self._unit.to(slope.device)).abs()
            blocks.append(-slope.flatten(1).double().sum(1).cpu().numpy())
        return np.concatenate(blocks)

    def _mismatch(self, place: Tensor) -> Tensor:
        """Mismatch (n,) of each crop; what lies below the place has no gradient and is left out."""
        parts: list[Tensor] = []

        def compare(norm: nn.Module, data: Tensor, _: Tensor) -> None:
            variance, mean = torch.var_mean(data, dim=(2, 3), correction=0)
            parts.append(((mean - norm.running_mean) ** 2 + (variance - norm.running_var) ** 2).mean(1))  # type: ignore[operator]

        with watching(self._norms, compare):
            self._upper(place)
        return torch.stack(parts).sum(0) / len(self._norms)


@torch.no_grad()
def _block_ends(recogniser: TorchRecogniser) -> dict[str, str]:
    """Cut points by block name, see `Grafiqs`."""
    module, size = recogniser.module, recogniser.spec.size
    cuts = set(module.cut_points())
    name_of = {module.layers[step.layer]: step.output for step in module.steps if step.output in cuts}
    passed: list[tuple[int, str]] = []
    ends: dict[int, str] = {}

    def note(layer: nn.Module, _: Tensor, output: Tensor) -> None:
        if isinstance(layer, nn.BatchNorm2d):
            ends.update(passed)
        if layer in name_of and output.ndim == 4:
            passed.append((output.shape[2], name_of[layer]))

    with watching(module.modules(), note):
        module(recogniser.prepare(np.zeros((1, size, size, 3), np.uint8)))
    heights = sorted((height for height in ends if height < size), reverse=True)
    return {f"block{number}": ends[height] for number, height in enumerate(heights, 1)}
