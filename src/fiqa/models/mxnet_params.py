"""Parameter files of MXNet, read without that package: a list of arrays and a list of their names."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import WeightsError

MAGIC = struct.pack("<Q", 0x112)
"""First bytes of such a file."""

_V1, _V2 = 0xF993FAC8, 0xF993FAC9
_TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}
_BLOCK = {"bn1": "bn1", "conv1": "conv1", "bn2": "bn2", "relu1": "prelu", "conv2": "conv2", "bn3": "bn3"}
_SHORTCUT = {"conv1sc": "downsample.0", "sc": "downsample.1"}
_TOP = {"conv0": "conv1", "bn0": "bn1", "relu0": "prelu", "bn1": "bn2", "pre_fc1": "fc", "fc1": "features"}
_TENSOR = {
    "weight": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_var": "running_var",
}


def read_params(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a ``.params`` file by name, such as ``"arg:conv0_weight"``.

    Raises:
        WeightsError: If the file is no such list, is cut off, or holds a sparse or nameless array.
    """
    try:
        return _Reader(path.read_bytes()).arrays()
    except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
        raise WeightsError(f"{path} is damaged or no list of dense MXNet arrays: {error}") from error


def torch_names(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """The parameters of InsightFace's LResNet-IR named as in its torch iresnet, with ``mxnet.`` before.

    The scale of the last normalisation is 1 whatever the file says: the network declares it fixed. Names of
    other networks stay as they are.
    """
    named = {_torch_name(name): array for name, array in arrays.items()}
    fixed = "mxnet.features.weight"
    return {name: np.ones_like(array) if name == fixed else array for name, array in named.items()}


def _torch_name(name: str) -> str:
    parsed = re.fullmatch(rf"(?:arg|aux):(?:stage(\d)_unit(\d+)_)?(\w+?)_({'|'.join(_TENSOR)})", name)
    if not parsed:
        return name
    stage, unit, layer, tensor = parsed.groups()
    layers, place = ({**_BLOCK, **_SHORTCUT}, f"layer{stage}.{int(unit) - 1}.") if stage else (_TOP, "")
    return f"mxnet.{place}{layers[layer]}.{_TENSOR[tensor]}" if layer in layers else name


class _Reader:
    """Takes values off the front of a file's bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        _, _, count = self.take("QQQ")
        arrays = [self.array() for _ in range(count)]
        (named,) = self.take("Q")
        if named != count:
            raise ValueError(f"{count} arrays and {named} names")
        return {self.bytes_(*self.take("Q")).decode(): array for array in arrays}

    def array(self) -> NDArray[np.generic]:
        (version,) = self.take("I")
        if version not in (_V1, _V2):
            raise ValueError(f"an array of unknown version {version:#x}")
        if version == _V2 and self.take("i") != (0,):
            raise ValueError("a sparse array")
        (axes,) = self.take("I")
        shape = self.take(f"{axes}q")
        _, _, kind = self.take("iii")
        dtype = np.dtype(_TYPES[kind])
        values = np.frombuffer(self.bytes_(math.prod(shape) * dtype.itemsize), dtype)
        return values.reshape(shape).copy()

    def take(self, form: str) -> tuple[int, ...]:
        """The next values in little-endian order."""
        return struct.unpack(f"<{form}", self.bytes_(struct.calcsize(f"<{form}")))

    def bytes_(self, size: int) -> bytes:
        """The next bytes; too few are an error."""
        self.at += size
        if size < 0 or self.at > len(self.data):
            raise ValueError("the file ends too early")
        return self.data[self.at - size : self.at]
