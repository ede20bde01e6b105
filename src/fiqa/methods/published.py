"""Published quality networks in one file each: what their methods share."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import InputSpec
from ..core.types import FaceCrops
from ..models.quality_network import load_quality_network


class Published:
    """What an official network says of a crop, as it says it.

    Attributes:
        name: Of the method; the layouts that will do are those of this name.
        spec: How the network wants its crops.
    """

    name: ClassVar[str]

    def __init__(self, weights: Path, *, contract: InputSpec | None = None) -> None:
        """Load the network.

        Args:
            weights: The official checkpoint, its ONNX form, or the name of a record.
            contract: How a file wants its crops, if not like the published ones.

        Raises:
            MissingDependencyError: If a checkpoint needs torch and it is not installed.
            SettingsError: If there is no such record.
            WeightsError: If the file is absent, altered, damaged, of another layout, or no quality model.
        """
        self._network = load_quality_network(weights, contract=contract, method=self.name)
        self.spec = self._network.spec

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size than the network wants.
        """
        return self._network.score(crops.images)
