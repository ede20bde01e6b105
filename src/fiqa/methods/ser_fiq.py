"""SER-FIQ: a good crop keeps its embedding when parts of the network are dropped at random."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.types import FaceCrops
from ..models.torch_recogniser import TorchRecogniser
from .bounds import one_of, real, whole

_STEEPNESS = {"sigmoid": 130.0, "plain": 8.0}
_BATCH = 16
_DROPPED_VALUES = 4 * 2**20


class SerFiq:
    """Stochastic embedding robustness, without training, on any recogniser that ends in a linear layer.

    The network runs once up to the flattened input of its last linear layer; from there `passes` dropout
    masks are applied and the head is repeated as batched products. With D the mean Euclidean distance of
    the unit embeddings over the passes (passes - 1) / 2 unordered pairs of passes, the score is

    * ``sigmoid``: 1 / (1 + exp(-steepness (u - offset))), u = 2 / (1 + exp(D)), as first published. Its
      constants fit one network; on another the scores crowd at one end of (0, 1), their order unharmed.
    * ``plain``: 2 / (1 + exp(steepness D')), with D' = D (passes - 1) / (2 passes), the mean over the whole
      passes x passes matrix of which only the upper triangle is filled, as in the later torch version.

    Scores lie in (0, 1), higher = more useful. All crops of all calls meet the same masks, drawn once from
    `seed`, so the score of a crop depends on nothing but the crop.

    Source:
        Terhoerst, Kolf, Damer, Kirchbuchner, Kuijper, "SER-FIQ: Unsupervised Estimation of Face Image
        Quality Based on Stochastic Embedding Robustness", CVPR 2020, arXiv 2003.09373.
    """

    name = "ser_fiq"

    def __init__(
        self,
        recogniser: TorchRecogniser,
        *,
        passes: int = 100,
        dropout: float = 0.4,
        scaling: Literal["sigmoid", "plain"] = "sigmoid",
        steepness: float | None = None,
        offset: float = 0.88,
        seed: int = 0,
    ) -> None:
        """Cut the network in two and draw the masks.

        Args:
            recogniser: Best one trained with dropout in front of its embedding layer. Where it has none,
                one is inserted all the same.
            passes: Number T of random passes.
            dropout: Share of values dropped in front of the embedding layer, in (0, 1).
            scaling: From distance to score, see above.
            steepness: 130 (alpha) for ``sigmoid`` and 8 for ``plain`` unless given.
            offset: The r of ``sigmoid``; ``plain`` has none.
            seed: Of the masks.

        Raises:
            SettingsError: If a setting is out of range.
            WeightsError: If the recogniser's embedding does not come from a linear layer.
        """
        self.spec = recogniser.spec
        self.scaling = one_of("scaling", scaling, tuple(_STEEPNESS))
        self.steepness = real("steepness", _STEEPNESS[scaling] if steepness is None else steepness)
        self.offset = real("offset", offset, above=-math.inf)
        self._recogniser = recogniser
        self._trunk, self._head = recogniser.before_embedding()
        self._masks = self._draw_masks(
            whole("passes", passes, least=2),
            real("dropout", dropout, below=1.0),
            whole("seed", seed, least=0),
        )

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,) in (0, 1), higher = more useful.

        Memory beside the network's own: some 50 MB and the masks (passes x width of the layer, float32).

        Raises:
            DataError: If the crops have another size than the recogniser wants.
        """
        distances = self.distances(crops)
        passes = len(self._masks)
        if self.scaling == "plain":
            return 2 / (1 + np.exp(self.steepness * distances * (passes - 1) / (2 * passes)))
        robustness = 2 / (1 + np.exp(distances))
        return 1 / (1 + np.exp(-self.steepness * (robustness - self.offset)))

    @torch.inference_mode()
    def distances(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Mean distance D (n,) in [0, 2] between the embeddings of two passes; lower = more useful."""
        blocks = [np.zeros(0)]
        for start in range(0, len(crops), _BATCH):
            features = self._trunk(self._recogniser.prepare(crops.images[start : start + _BATCH]))
            blocks.append(_mean_pair_distance(self._embed_dropped(features.flatten(1).float())))
        return np.concatenate(blocks)

    def _embed_dropped(self, features: Tensor) -> Tensor:
        """Embeddings (n, passes, dimension) of features (n, width), a few masks at a time."""
        count = max(1, _DROPPED_VALUES // features.numel())
        parts = []
        for start in range(0, len(self._masks), count):
            dropped = features[:, None] * self._masks[start : start + count]
            parts.append(self._head(dropped.flatten(0, 1)).unflatten(0, dropped.shape[:2]))
        return torch.cat(parts, dim=1)

    @torch.inference_mode()
    def _draw_masks(self, passes: int, dropout: float, seed: int) -> Tensor:
        """Masks (passes, width): 0 with probability `dropout`, else 1 / (1 - dropout)."""
        size = self.spec.size
        blank = self._recogniser.prepare(np.zeros((1, size, size, 3), np.uint8))
        features = self._trunk(blank).flatten(1)
        kept = np.random.default_rng(seed).random((passes, features.shape[1]), np.float32) >= dropout
        return torch.from_numpy(kept / np.float32(1 - dropout)).to(features.device)


def _mean_pair_distance(embeddings: Tensor) -> NDArray[np.float64]:
    """Mean distance (n,) over unordered pairs of the rows of (n, passes, dimension), brought to unit length.

    |a - b|^2 = 2 - 2 a.b for unit rows; in float64, as the difference would cancel in float32.
    """
    unit = torch.nn.functional.normalize(embeddings.double(), dim=2)
    squared = (2 - 2 * unit @ unit.mT).clamp_min_(0)
    first, second = torch.triu_indices(unit.shape[1], unit.shape[1], offset=1)
    return squared[:, first, second].sqrt_().mean(dim=1).cpu().numpy()
