"""The quality regressor: a recognition backbone with one output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, cast

import torch
from torch import Tensor, nn

from .layer_graph import LayerGraph

Head = Literal["linear", "sigmoid", "mlp", "norm"]

_HIDDEN = 1024


class Length(nn.Module):
    """Euclidean length (n, 1) of embeddings (n, d); its gradient at a zero vector is zero."""

    def forward(self, embeddings: Tensor) -> Tensor:
        """One length a row."""
        lengths: Tensor = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True)
        return lengths


def _zero(layer: nn.Linear) -> nn.Linear:
    """The layer, its weights and bias set to 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


HEADS: Final[dict[Head, Callable[[int], nn.Module]]] = {
    "linear": lambda dimension: nn.Linear(dimension, 1),
    "sigmoid": lambda dimension: nn.Sequential(_zero(nn.Linear(dimension, 1)), nn.Sigmoid()),
    "mlp": lambda dimension: nn.Sequential(
        nn.Linear(dimension, _HIDDEN), nn.GELU(), _zero(nn.Linear(_HIDDEN, 1))
    ),
    "norm": lambda _: Length(),
}
"""What turns raw embeddings (n, dimension) into (n, 1).

``linear`` has a bias and no activation (Babnik et al. 2023), ``sigmoid`` squashes it into (0, 1) (PCNet,
LightQNet), ``mlp`` has a hidden layer of 1024 GELUs (eDifFIQA), ``norm`` is the length of the embedding and
has no parameter (MagFace). ``linear`` starts with random weights, as published. The last layer of ``sigmoid``
and ``mlp`` starts at 0, every score at 0.5 or 0: embeddings are long, and what random weights make of them
takes longer to unlearn than the rest to learn, or drives a sigmoid to where its slope is 0.
"""


class Regressor(nn.Module):
    """A head on the raw embedding of a recognition backbone.

    The head computes in float32 whatever precision the backbone runs in, so that close scores stay apart.

    Attributes:
        backbone: Prepared float crops (n, 3, size, size) -> embeddings (n, dimension), not normalised.
        dimension: Length of an embedding.
        kind: Row of `HEADS`.
        head: Embeddings -> (n, 1).

    Source:
        Babnik, Peer, Struc, "Optimization-Based Improvement of Face Image Quality Assessment Techniques",
        2023, arXiv 2305.14856, for the linear head.
    """

    def __init__(self, backbone: LayerGraph, dimension: int, *, head: Head = "linear") -> None:
        super().__init__()
        self.backbone, self.dimension, self.kind = backbone, dimension, head
        self.head = HEADS[head](dimension)

    def forward(self, images: Tensor) -> Tensor:
        """Quality scores (n,) of prepared crops; higher = more useful."""
        return self.embed_and_score(images)[1]

    def embed_and_score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw embeddings (n, dimension) in float32 and the quality scores (n,) of prepared crops."""
        embeddings = self.backbone(images)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.float()
            return embeddings, cast(Tensor, self.head(embeddings)).squeeze(1)

    def split(self, cut: str) -> tuple[LayerGraph, Regressor]:
        """The backbone up to a cut point or its output, and the regressor of what comes out there.

        ``upper(lower(images))`` is this regressor; both parts share its tensors, so training the upper part
        trains this one.

        Raises:
            SettingsError: If `cut` is neither a cut point nor the output of the backbone.
        """
        lower, above = self.backbone.split(cut)
        upper = Regressor(above, self.dimension, head=self.kind)
        upper.head = self.head
        return lower, upper.train(self.training)
