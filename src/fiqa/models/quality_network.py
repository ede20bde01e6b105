"""Quality models: networks that give a crop one score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError, WeightsError
from ..core.optional import require
from ..core.protocols import InputSpec
from ..core.registry import Registry
from .crop_network import CropNetwork
from .layouts import layouts_of
from .onnx_session import onnx_network
from .weights import QUALITY, RECORDS, find_weights

QUALITY_MODELS = Registry("quality model", tuple(record for record in RECORDS if record.target == QUALITY))


class QualityNetwork:
    """Crops in, one score a crop out.

    Attributes:
        name: Name in messages.
        spec: How the network wants its crops.
    """

    def __init__(self, name: str, network: CropNetwork) -> None:
        self.name, self.spec, self._network = name, network.spec, network

    def score(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """What the network says (n,) of uint8 RGB crops (n, size, size, 3), in its own direction.

        Raises:
            DataError: If the crops have another size.
        """
        return self._network(images)[:, 0].astype(np.float64)


def load_quality_network(
    path: Path, *, contract: InputSpec | None = None, method: str = ""
) -> QualityNetwork:
    """Load a network that gives one score a crop.

    Args:
        path: An ONNX file, the published checkpoint of a method, or a name in `QUALITY_MODELS`, whose
            verified file is looked for in the usual places.
        contract: How a file of your own wants its crops; an ONNX file does not say, a record and a checkpoint
            do. One that is given wins over that of a checkpoint.
        method: Published method whose checkpoints will do beside ONNX; ONNX files are then taken to want
            their crops as these do.

    Raises:
        MissingDependencyError: If a checkpoint needs torch and it is not installed.
        SettingsError: If a contract is missing or contradicts the record, or there is no such name.
        WeightsError: If the file is absent, altered, damaged, of another layout, or no quality model.
    """
    if not path.suffix and not path.exists():
        record = QUALITY_MODELS.get(str(path))
        if contract not in (None, record.spec):
            raise SettingsError(f"quality model {path} has its own contract; give one with a file alone")
        path, contract = find_weights(record.name), record.spec
    layouts = tuple(layouts_of(method))
    if path.suffix != ".onnx":
        if not layouts:
            raise WeightsError(f"{path} is no quality model of a known kind; there are: ONNX (.onnx)")
        return _published(path, contract, method)
    if contract is None and layouts:
        contract = layouts[0].spec
    if contract is None:
        raise SettingsError(f"{path} needs a contract (size, crop, colour, mean, std): give a card")
    require("onnx", extra="lab", purpose="read a network of another make")
    from .onnx_graph import read_crop_graph

    name, model = f"quality model {path.stem}", read_crop_graph(path, contract)
    return QualityNetwork(path.stem, onnx_network(name, model, contract, gives="score"))


def _published(path: Path, contract: InputSpec | None, method: str) -> QualityNetwork:
    require("torch", extra="lab", purpose="run a published checkpoint")
    from .frozen import frozen
    from .published import load_published
    from .torch_recogniser import TorchRun

    checkpoint = load_published(path, kind="quality", method=method)
    spec = contract or checkpoint.layout.spec
    run = TorchRun(frozen(checkpoint.module()))
    return QualityNetwork(path.stem, CropNetwork(f"quality model {path.stem}", spec, run=run, gives="score"))
