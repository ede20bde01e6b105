"""Tensors from files of others: what is read is data, and nothing in a file is ever run."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import WeightsError
from ..core.optional import require
from .mxnet_params import MAGIC, read_params, torch_names

NESTED = ("state_dict", "model")
"""Under which name training programs keep the tensors, beside epoch and optimiser."""

_TRAINERS = ("pytorch_lightning.", "lightning.")


class _Inert(dict[Any, Any]):
    """Stands in for a trainer's classes that a checkpoint mentions beside its tensors; does nothing."""

    def __init__(self, *_: Any) -> None:
        super().__init__()


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file on the CPU, as the file names them.

    Read are what `torch.save` wrote (with ``weights_only=True``), safetensors, and MXNet parameters. A
    checkpoint of PyTorch Lightning also mentions classes of that package: they become empty stand-ins.

    Raises:
        MissingDependencyError: If the file is safetensors and that package is not installed.
        WeightsError: If the file is absent, damaged, of another kind, or holds more than plain data.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file at {path}")
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(MAGIC):
        arrays = torch_names(read_params(path))
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
    content = _safetensors(path) if start[8:] == b"{" else _checkpoint(path)
    for name in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no table of tensors")
    odd = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if odd:
        raise WeightsError(
            f"{path} holds no table of tensors: {odd[0]!r} is none; expected one, or one "
            f"under {' or '.join(NESTED)}"
        )
    return {str(name): tensor for name, tensor in content.items()}


def _safetensors(path: Path) -> Any:
    package = require("safetensors.torch", extra="lab", purpose="read a .safetensors file")
    try:
        return package.load_file(path)
    except Exception as error:  # SafetensorError comes with the optional package
        raise WeightsError(f"{path} is damaged or no safetensors file: {error}") from error


def _checkpoint(path: Path) -> Any:
    zipped = zipfile.is_zipfile(path)
    try:
        known = _stand_ins(path) if zipped else []
        with torch.serialization.safe_globals(known):
            return torch.load(path, map_location="cpu", mmap=zipped, weights_only=True)
    except Exception as error:  # torch raises whatever the broken place leads to
        if asked := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(
                f"{path} asks for {asked[1]}, which no plain tensors do, and was not opened: it may run "
                f"code; fetch it again from its publisher"
            ) from error
        cut = isinstance(error, EOFError) or re.search("EOF|central directory", str(error))
        what = "cut short" if cut else "no checkpoint of plain tensors"
        raise WeightsError(f"{path} is {what}; fetch it again from its publisher") from error


def _stand_ins(path: Path) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Stand-ins for the trainer's classes that the file mentions, found without unpickling it."""
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    return [(_Inert, name) for name in names if name.startswith(_TRAINERS)]
