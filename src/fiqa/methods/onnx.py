"""ONNX: any quality model of that format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import InputSpec
from ..core.types import FaceCrops
from .bounds import one_of
from .published import Published


class OnnxQuality(Published):
    """The one number that a network of your own gives a crop, turned so that higher = more useful."""

    name = "onnx"

    def __init__(
        self,
        weights: Path,
        *,
        contract: InputSpec | None = None,
        direction: Literal["higher", "lower"] = "higher",
    ) -> None:
        """Load the network.

        Args:
            weights: Its file, or the name of a quality model that is known.
            contract: How a file wants its crops.
            direction: Which numbers of the network mean a more useful crop; ``lower`` ones are negated.

        Raises:
            SettingsError: If a contract is missing or the direction is unknown.
            WeightsError: If the file is absent, damaged or no quality model.
        """
        self._sign = -1.0 if one_of("direction", direction, ("higher", "lower")) == "lower" else 1.0
        super().__init__(weights, contract=contract)

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size than the network wants.
        """
        return self._sign * super().score(crops)
