"""eDifFIQA: a network that learned how far a diffusion model moves a face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import InputSpec
from ..core.types import FaceCrops
from ..models.quality_network import load_quality_network

SPEC = InputSpec(mean=127.5, std=127.5)


class EDifFiqa:
    """The published models, about [0, 1] and not clipped, higher = more useful.

    Noise is added to a face and taken away again by a diffusion model; the less its embedding moves, the
    better the face. These networks (variants t, s, m, l by size) were trained to foretell that in one pass.

    Source:
        Babnik, Peer, Struc, "eDifFIQA: Towards Efficient Face Image Quality Assessment Based on Denoising
        Diffusion Probabilistic Models", IEEE T-BIOM 2024.
    """

    name = "ediffiqa"

    def __init__(self, weights: Path, *, contract: InputSpec | None = None) -> None:
        """Load the network.

        Args:
            weights: ``ediffiqa_t``, ``_s``, ``_m`` or ``_l`` of the records, or a file.
            contract: How a file wants its crops, if not like the published ones.

        Raises:
            SettingsError: If there is no such record.
            WeightsError: If the file is absent, altered, damaged or no quality model.
        """
        self._network = load_quality_network(weights, contract=contract or SPEC)
        self.spec = self._network.spec

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size than the network wants.
        """
        return self._network.score(crops.images)
