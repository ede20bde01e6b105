"""Learned: a regressor trained on quality labels, one pass a crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.types import FaceCrops
from ..models.checkpoint import load_regressor
from ..models.torch_recogniser import TorchRecogniser

_BATCH = 32


class Learned:
    """The output of a trained regressor, higher = more useful.

    Labels were brought to [0, 1] for training; outputs are not clipped and may leave that range a little.

    Attributes:
        regressor: The network, in evaluation mode.
        record: What it is.
        spec: How it wants its crops.

    Source:
        Babnik, Peer, Struc, "Optimization-Based Improvement of Face Image Quality Assessment Techniques",
        IWBF 2023, arXiv 2305.14856, section on transfer learning.
    """

    name = "learned"

    def __init__(self, checkpoint: Path, *, recogniser: TorchRecogniser | None = None) -> None:
        """Load the regressor.

        Args:
            checkpoint: A ``regressor.pt`` that training wrote.
            recogniser: The recogniser it was trained from; looked up by its recorded name if absent.

        Raises:
            WeightsError: If the checkpoint is absent, damaged or does not fit its recogniser.
        """
        self.regressor, self.record = load_regressor(checkpoint, recogniser=recogniser)
        self.spec = self.record.spec

    def score_tensor(self, prepared: Tensor) -> Tensor:
        """The score (n,) of prepared crops (n, 3, size, size), with gradients."""
        scores: Tensor = self.regressor(prepared)
        return scores

    @torch.inference_mode()
    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size than the regressor was trained on.
        """
        values = [np.zeros(0)]
        for start in range(0, len(crops), _BATCH):
            batch = torch.from_numpy(self.spec.prepare(crops.images[start : start + _BATCH]))
            values.append(self.regressor(batch).double().numpy())
        return np.concatenate(values)
