"""`regressor.pt`: the tensors of a trained regressor and what is needed to use them, as plain data.

The file is a dict that `torch.load(..., weights_only=True)` reads: nothing in it can run code. The network
itself is rebuilt from the recogniser it was trained from, which the file names together with a digest.
"""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import WeightsError
from ..core.protocols import InputSpec
from .published import Mismatch, shapes_of
from .recognisers import load_torch_recogniser
from .regressor import Head, Regressor
from .student import PREFIX, student
from .torch_recogniser import TorchRecogniser

FORMAT = "fiqa-regressor"
VERSION = 2
"""Records of version 1 have no head, objective and options: a linear head learnt labels."""


@dataclass(frozen=True)
class RegressorRecord:
    """What a regressor is, as plain values.

    Attributes:
        recogniser: Name of the recogniser whose backbone it started from, or of a `student`, which is built
            from its name alone.
        recogniser_digest: `state_digest` of that backbone before training.
        spec: How the network wants its crops.
        dimension: Length of the embedding under the head.
        label_method: What produced the labels; empty if it learnt from none.
        targets: How labels became targets: ``"minmax"``, ``"rank"`` (both in [0, 1]) or ``"native"``.
        cut: Where the backbone was cut, everything below being left as it was; None if it was not.
        head: Row of `regressor.HEADS`.
        objective: What training minimised: ``"labels"`` or a method.
        options: Settings of the objective.
        settings: All training settings.
        validation: Losses and correlation of the kept state on unseen subjects.
        inputs: Digests of what it was trained on, by name.
    """

    recogniser: str
    recogniser_digest: str
    spec: InputSpec
    dimension: int
    label_method: str
    targets: str
    cut: str | None = None
    head: Head = "linear"
    objective: str = "labels"
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def teacher(self) -> str:
        """What the regressor learnt from, for people: the method of the labels, an objective, or both."""
        if self.objective == "labels":
            return self.label_method
        return f"{self.objective} on {self.label_method}" if self.label_method else self.objective


def state_digest(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and values of a module's tensors, in order of name."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        array = tensor.detach().cpu().contiguous().numpy()
        total.update(f"{name} {array.dtype} {array.shape}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def save_regressor(path: Path, regressor: Regressor, *, record: RegressorRecord) -> None:
    """Write a checkpoint; an interrupted write leaves what was there before.

    Args:
        path: Where to write, `regressor.pt` by custom; its folder must exist.
        regressor: The trained network.
        record: What it is.
    """
    state = {name: tensor.detach().cpu() for name, tensor in regressor.state_dict().items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(
            {"format": FORMAT, "version": VERSION, "record": asdict(record), "state": state}, temporary
        )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_regressor(
    path: Path, *, recogniser: TorchRecogniser | None = None
) -> tuple[Regressor, RegressorRecord]:
    """Rebuild a trained regressor, ready to score (in evaluation mode, on the CPU).

    Args:
        path: A file written by `save_regressor`.
        recogniser: The recogniser it was trained from; looked up by the recorded name if absent. It is
            left unchanged.

    Raises:
        WeightsError: If the file is absent, damaged or of another format, if the recogniser is not the one
            trained from, or if tensors are missing, unexpected or of another shape (all listed).
    """
    record, state = _read(path)
    built = record.recogniser.startswith(PREFIX)
    if recogniser is None:
        recogniser = (student if built else load_torch_recogniser)(record.recogniser)
    found = state_digest(recogniser.module)
    if found != record.recogniser_digest and not built:
        raise WeightsError(
            f"{path} was trained from recogniser {record.recogniser!r} with weights "
            f"{record.recogniser_digest}, got {recogniser.name!r} with weights {found}; "
            f"give the recogniser it was trained from"
        )
    regressor = Regressor(copy.deepcopy(recogniser.module), record.dimension, head=record.head)
    expected = regressor.state_dict()
    if mismatch := Mismatch.between(shapes_of(state), shapes_of(expected)):
        raise WeightsError(f"{path} does not fit its recogniser's network: {mismatch}")
    regressor.load_state_dict(state)
    return regressor.eval(), record


def _read(path: Path) -> tuple[RegressorRecord, dict[str, Tensor]]:
    if not path.is_file():
        raise WeightsError(f"there is no regressor checkpoint at {path}; train one or name the file")
    if not zipfile.is_zipfile(path):
        raise WeightsError(f"{path} is damaged or no checkpoint; train it anew or fetch it again")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise WeightsError(f"{path} holds more than plain tensors and was not opened") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WeightsError(f"{path} is no {FORMAT} file; expected one written by this package's training")
    if content["version"] > VERSION:
        raise WeightsError(
            f"{path} has format version {content['version']}, this package reads up to {VERSION}: upgrade it"
        )
    record = content["record"]
    return RegressorRecord(**{**record, "spec": InputSpec(**record["spec"])}), content["state"]
