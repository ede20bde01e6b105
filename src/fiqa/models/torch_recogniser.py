"""Recognisers in torch: gradients reach the crop, and the network can be cut in two."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import WeightsError
from ..core.protocols import InputSpec
from .crop_network import CropNetwork
from .layer_graph import LayerGraph


class TorchRun:
    """A module in evaluation mode that takes and gives arrays."""

    def __init__(self, module: LayerGraph) -> None:
        self.module = module.eval()

    @torch.inference_mode()
    def __call__(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the module says of prepared crops (n, 3, size, size)."""
        rows: NDArray[np.float32] = self.module(self.tensor(prepared)).cpu().numpy()
        return rows

    def tensor(self, prepared: NDArray[np.float32]) -> Tensor:
        """The crops on the module's device."""
        device = next(self.module.parameters(), torch.empty(0)).device
        return torch.from_numpy(prepared).to(device, memory_format=torch.channels_last)


class TorchRecogniser:
    """A frozen recogniser as a torch module, in evaluation mode.

    Attributes:
        module: Maps prepared crops (n, 3, size, size) float32 to raw embeddings (n, dimension). Its
            parameters ask for no gradient; whoever trains it turns that on for those in question.
    """

    def __init__(self, name: str, spec: InputSpec, *, module: LayerGraph) -> None:
        """Freeze the module and try it on two black crops.

        Raises:
            WeightsError: If it does not take crops as in `spec` or does not return one embedding a crop.
        """
        self.name, self.spec = name, spec
        self.module = module.eval().requires_grad_(False)
        self._run = TorchRun(self.module)
        self._network = CropNetwork(f"recogniser {name}", spec, run=self._run, gives="embedding")
        self.dimension = self._network.width

    def prepare(self, images: NDArray[np.uint8]) -> Tensor:
        """Crops (n, size, size, 3) uint8 RGB as `module` wants them, on its device."""
        return self._run.tensor(self.spec.prepare(images))

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings (n, dimension), not normalised, of uint8 RGB crops (n, size, size, 3).

        Raises:
            DataError: If the crops have another size.
        """
        return self._network(images)

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
            raise WeightsError(
                f"recogniser {self.name} has no linear layer in front of its embedding, and so no place "
                f"for a dropout; use another recogniser, or a method that needs none"
            )
        trunk, head = self.module.split(linear[-1].inputs[0])
        for name, layer in trunk.layers.items():
            if isinstance(layer, nn.modules.dropout._DropoutNd):
                trunk.layers[name] = nn.Identity()
        return trunk, head
