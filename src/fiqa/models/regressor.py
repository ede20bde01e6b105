"""The quality regressor: a recognition backbone with one linear output."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from .layer_graph import LayerGraph


class Regressor(nn.Module):
    """A linear head with bias on the raw embedding of a recognition backbone, without activation.

    The head computes in float32 whatever precision the backbone runs in, so that close scores stay apart.

    Attributes:
        backbone: Prepared float crops (n, 3, size, size) -> embeddings (n, dimension), not normalised.
        head: Embeddings -> (n, 1).

    Source:
        Babnik, Peer, Struc, "Optimization-Based Improvement of Face Image Quality Assessment Techniques",
        2023, arXiv 2305.14856.
    """

    def __init__(self, backbone: LayerGraph, dimension: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(dimension, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Quality scores (n,) of prepared crops; higher = more useful."""
        embeddings = self.backbone(images)
        with torch.autocast(embeddings.device.type, enabled=False):
            return cast(Tensor, self.head(embeddings.float())).squeeze(1)

    def split(self, cut: str) -> tuple[LayerGraph, Regressor]:
        """The backbone up to a cut point, and the regressor of what comes out there.

        ``upper(lower(images))`` is this regressor; both parts share its tensors, so training the upper part
        trains this one.

        Raises:
            SettingsError: If `cut` is no cut point of the backbone.
        """
        lower, above = self.backbone.split(cut)
        upper = Regressor(above, self.head.in_features)
        upper.head = self.head
        return lower, upper.train(self.training)
