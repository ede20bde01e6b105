"""Recognisers in torch: gradients reach the crop, and the network can be cut in two."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import WeightsError
from ..core.protocols import InputSpec
from .layer_graph import LayerGraph

_BATCH = 32


class TorchRecogniser:
    """A frozen recogniser as a torch module, in evaluation mode.

    Attributes:
        module: Maps prepared crops (n, 3, size, size) float32 to raw embeddings (n, dimension). Its
            parameters ask for no gradient; whoever trains it turns that on for those in question.
    """

    def __init__(self, name: str, spec: InputSpec, *, module: LayerGraph) -> None:
        self.name, self.spec = name, spec
        self.module = module.eval().requires_grad_(False)
        self.dimension = int(self.embed(np.zeros((1, spec.size, spec.size, 3), np.uint8)).shape[1])

    def prepare(self, images: NDArray[np.uint8]) -> Tensor:
        """Crops (n, size, size, 3) uint8 RGB as `module` wants them, on its device."""
        device = next(self.module.parameters()).device
        return torch.from_numpy(self.spec.prepare(images)).to(device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings (n, dimension), not normalised, of uint8 RGB crops (n, size, size, 3).

        Raises:
            DataError: If the crops have another size.
        """
        batches = [images[start : start + _BATCH] for start in range(0, max(len(images), 1), _BATCH)]
        return np.concatenate([self.module(self.prepare(batch)).cpu().numpy() for batch in batches])

    def split(self, cut: str) -> tuple[LayerGraph, LayerGraph]:
        """The module up to and after a cut point (see `LayerGraph.split`)."""
        return self.module.split(cut)

    def before_embedding(self) -> tuple[LayerGraph, LayerGraph]:
        """The network up to the flattened input of its last linear layer, and the head from there on.

        A dropout in front of that layer is left out of both, so that a caller applies its own.

        Raises:
            WeightsError: If the embedding does not come from a linear layer.
        """
        steps, layers = self.module.steps, self.module.layers
        linear = [step for step in steps if isinstance(layers[step.layer], nn.Linear)]
        if not linear:
            raise WeightsError(f"recogniser {self.name} has no linear layer in front of its embedding")
        trunk, head = self.module.split(linear[-1].inputs[0])
        for name, layer in trunk.layers.items():
            if isinstance(layer, nn.modules.dropout._DropoutNd):
                trunk.layers[name] = nn.Identity()
        return trunk, head
