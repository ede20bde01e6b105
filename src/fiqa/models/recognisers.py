"""The face recognition models by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import SettingsError, WeightsError
from ..core.optional import require
from ..core.protocols import InputSpec
from ..core.registry import Registry
from .onnx_graph import read_crop_graph
from .onnx_session import OnnxRecogniser
from .weights import QUALITY, RECORDS, find_weights

if TYPE_CHECKING:
    from .torch_recogniser import TorchRecogniser

OWN_FILE = "onnx:"
"""Prefix of a recogniser given as a file, ``"onnx:PATH"``."""

RECOGNISERS = Registry(
    "recogniser", tuple(record for record in RECORDS if record.spec is not None and record.target != QUALITY)
)


def load_recogniser(
    name: str, *, path: Path | None = None, contract: InputSpec | None = None, threads: int | None = None
) -> OnnxRecogniser:
    """Load a recogniser to run through onnxruntime.

    Args:
        name: A name in `RECOGNISERS`, or ``"onnx:PATH"`` for a network of your own.
        path: Where the weights of a registered recogniser lie, if not in the usual places.
        contract: How a network of your own wants its crops; registered ones know.
        threads: Cores a run may use; None takes all of them.

    Raises:
        SettingsError: If the name is unknown, or a contract is missing or not wanted.
        WeightsError: If the weights are absent, altered, or not runnable.
    """
    name, spec, file = _resolve(name, path, contract)
    return OnnxRecogniser(name, spec, model=read_crop_graph(file, spec), threads=threads)


def load_torch_recogniser(
    name: str, *, path: Path | None = None, contract: InputSpec | None = None
) -> TorchRecogniser:
    """Load the same recogniser as a differentiable torch module; arguments as for `load_recogniser`.

    Raises:
        MissingDependencyError: If torch is not installed.
        SettingsError: If the name is unknown, or a contract is missing or not wanted.
        WeightsError: If the weights are absent, altered, or hold an operator that is not supported.
    """
    require("torch", extra="lab", purpose="run a recogniser with gradients")
    from .onnx_torch import to_torch
    from .torch_recogniser import TorchRecogniser

    name, spec, file = _resolve(name, path, contract)
    model = read_crop_graph(file, spec)
    try:
        module = to_torch(model)
    except WeightsError as error:
        raise WeightsError(f"{file} cannot run in torch: {error}") from error
    return TorchRecogniser(name, spec, module=module)


def _resolve(name: str, path: Path | None, contract: InputSpec | None) -> tuple[str, InputSpec, Path]:
    """Name, input contract and weights file behind a recogniser's name."""
    if name.startswith(OWN_FILE):
        if contract is None or path is not None:
            raise SettingsError(
                f"{name} needs a contract (size, crop, colour, mean, std) and no further path"
            )
        file = Path(name.removeprefix(OWN_FILE))
        return file.stem, contract, file
    if contract is not None:
        raise SettingsError(f"recogniser {name} has its own contract; give one with {OWN_FILE}PATH alone")
    spec = RECOGNISERS.get(name).spec
    assert spec is not None  # by construction of the registry
    return name, spec, find_weights(name, path)
