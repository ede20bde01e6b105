"""The face recognition models by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import SettingsError, WeightsError
from ..core.optional import require
from ..core.protocols import InputSpec, Recogniser
from ..core.registry import Registry
from .layouts import LAYOUTS
from .onnx_wire import free_batch, without_scalar_blocks
from .weights import QUALITY, RECORDS, find_weights

if TYPE_CHECKING:
    from .torch_recogniser import TorchRecogniser

ONNX_FILE, TORCH_FILE = "onnx:", "torch:"
"""Prefixes of a recogniser given as a file: ``"onnx:PATH"``, ``"torch:PATH"``."""

RECOGNISERS = Registry(
    "recogniser", tuple(record for record in RECORDS if record.spec is not None and record.target != QUALITY)
)


@dataclass(frozen=True)
class _Source:
    """What stands behind a recogniser's name.

    Attributes:
        name: Name in results.
        file: The weights.
        spec: Input contract; None leaves it to the file's layout.
        torch: Whether the file is a checkpoint, not ONNX.
        loss: Training loss that the checkpoint's layout has to belong to; empty for any.
    """

    name: str
    file: Path
    spec: InputSpec | None
    torch: bool = False
    loss: str = ""


def load_recogniser(
    name: str, *, path: Path | None = None, contract: InputSpec | None = None, threads: int | None = None
) -> Recogniser:
    """Load a recogniser to embed with: ONNX through onnxruntime, a published checkpoint through torch.

    Args:
        name: A name in `RECOGNISERS`, ``"onnx:PATH"`` for a network of your own, or ``"torch:PATH"`` for a
            file of one of the `LAYOUTS`.
        path: Where the weights of a registered recogniser lie, if not in the usual places. Checkpoints of
            another depth will do.
        contract: How a network of your own wants its crops; registered ones know, and layouts too, unless a
            contract is given.
        threads: Cores a run of onnxruntime may use; None takes all of them.

    Raises:
        MissingDependencyError: If torch is needed and not installed.
        SettingsError: If the name is unknown, or a contract is missing or not wanted.
        WeightsError: If the weights are absent, altered, of another layout, or not runnable.
    """
    source = _resolve(name, path, contract)
    if source.torch:
        return _published(source, frozen=True)
    assert source.spec is not None  # by construction of _resolve
    from .onnx_session import OnnxRecogniser

    if not name.startswith(ONNX_FILE):
        known = without_scalar_blocks(free_batch(source.file.read_bytes()))
        return OnnxRecogniser(source.name, source.spec, model=known, threads=threads)
    require("onnx", extra="lab", purpose="read a network of your own")
    from .onnx_graph import read_crop_graph

    model = read_crop_graph(source.file, source.spec)
    return OnnxRecogniser(source.name, source.spec, model=model, threads=threads)


def load_torch_recogniser(
    name: str, *, path: Path | None = None, contract: InputSpec | None = None
) -> TorchRecogniser:
    """Load the same recogniser as a differentiable torch module; arguments as for `load_recogniser`.

    Raises:
        MissingDependencyError: If torch is not installed.
        SettingsError: If the name is unknown, or a contract is missing or not wanted.
        WeightsError: If the weights are absent, altered, of another layout, or hold an operator that is not
            supported.
    """
    require("torch", extra="lab", purpose="run a recogniser with gradients")
    from .onnx_graph import read_crop_graph
    from .onnx_torch import to_torch
    from .torch_recogniser import TorchRecogniser

    source = _resolve(name, path, contract)
    if source.torch:
        return _published(source)
    assert source.spec is not None  # by construction of _resolve
    model = read_crop_graph(source.file, source.spec)
    try:
        module = to_torch(model)
    except WeightsError as error:
        raise WeightsError(f"{source.file} cannot run in torch: {error}") from error
    return TorchRecogniser(source.name, source.spec, module=module)


def _published(source: _Source, *, frozen: bool = False) -> TorchRecogniser:
    """A checkpoint of known layout; frozen, it cannot be trained and runs faster."""
    require("torch", extra="lab", purpose="run a published checkpoint")
    from .frozen import frozen as freeze
    from .published import load_published
    from .torch_recogniser import TorchRecogniser

    checkpoint = load_published(source.file, kind="recogniser", method=source.loss)
    module = checkpoint.module()
    spec = source.spec or checkpoint.layout.spec
    return TorchRecogniser(source.name, spec, module=freeze(module) if frozen else module)


def _resolve(name: str, path: Path | None, contract: InputSpec | None) -> _Source:
    """Name, weights file and input contract behind a recogniser's name."""
    if name.startswith((ONNX_FILE, TORCH_FILE)):
        file, torch = Path(name.partition(":")[2]), name.startswith(TORCH_FILE)
        if contract is None and not torch:
            raise SettingsError(f"{name} needs a contract (size, crop, colour, mean, std): give a card")
        if path is not None:
            raise SettingsError(f"{name} names its file: give no further path of weights")
        return _Source(file.stem, file, contract, torch)
    if contract is not None:
        raise SettingsError(
            f"recogniser {name} has its own contract; give one with {ONNX_FILE}PATH or {TORCH_FILE}PATH alone"
        )
    record = RECOGNISERS.get(name)
    loss = LAYOUTS.get(record.layout).method if record.layout else ""
    return _Source(name, find_weights(name, path), record.spec, bool(record.layout), loss)
