"""What comes out at a cut of a frozen network, computed once and kept on disk for every training that asks.

A cache folder holds one array for each (crops, network below the cut), named by a digest of both and complete
as soon as it has that name.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.protocols import InputSpec, Progress, silent
from ..io.atomic import atomic
from ..io.parts import Parts
from ..models.checkpoint import state_digest
from ..models.layer_graph import LayerGraph
from .batches import Inputs, autocast, pixels
from .data import CropSource
from .settings import Precision

logger = logging.getLogger(__name__)

_CHUNK = 256
_BATCH = 32
_IN_MEMORY = 2 << 30


def cached_features(
    images: CropSource,
    lower: LayerGraph,
    *,
    spec: InputSpec,
    cache: Path,
    precision: Precision = "float32",
    progress: Progress = silent,
) -> NDArray[np.float16]:
    """Activations of all crops at the end of `lower`, from the cache or computed into it.

    A run that is cut off goes on where it stopped. One process at a time may fill a cache, any number may
    read it.

    Args:
        images: n crops.
        lower: A network up to a cut, frozen; runs on the device that it is on.
        spec: How it wants its crops.
        cache: Folder of caches, made if absent; may be shared by all trainings.
        precision: That `lower` computes in.
        progress: Called with (chunks done, chunks in all).

    Returns:
        float16 (n, ...), memory-mapped and read-only.

    Raises:
        DataError: If an activation does not fit into float16, naming the first three samples.
    """
    inputs = pixels(images, spec, device=next(lower.parameters()).device.type)

    def block(rows: NDArray[np.int64]) -> NDArray[np.float16]:
        found = _activations(lower, inputs, rows, precision)
        _check(found, images.samples.sample_ids[rows])
        return found

    key = _key(images, lower, spec, precision)
    features: NDArray[np.float16] = cached(key, len(images.samples), block, cache=cache, progress=progress)
    return features


def cached(
    key: str,
    total: int,
    block: Callable[[NDArray[np.int64]], NDArray[Any]],
    *,
    cache: Path,
    progress: Progress = silent,
) -> NDArray[Any]:
    """An array of one entry a row, from the cache or computed into it; a run that is cut off goes on.

    Args:
        key: Digest of everything that the array depends on.
        total: Number of rows.
        block: Rows -> their entries.
        cache: Folder of caches, made if absent.
        progress: Called with (chunks done, chunks in all).

    Returns:
        (total, ...), memory-mapped and read-only.
    """
    path = cache / f"{key}.npy"
    if not path.exists():
        start = time.monotonic()
        parts = Parts(cache / f".parts-{key}", key)

        def chunk(number: int) -> dict[str, NDArray[Any]]:
            return {"features": block(np.arange(number * _CHUNK, min((number + 1) * _CHUNK, total)))}

        parts.run(math.ceil(total / _CHUNK), chunk, progress=progress)
        _join(parts, path, total)
        parts.remove()
        logger.info("features: %d crops, %.1f s, %s", total, time.monotonic() - start, path)
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def held(features: NDArray[np.float16]) -> NDArray[np.float16]:
    """Features to read at random: up to 2 GiB in memory, read once and in order, more in their file.

    Random rows of a file that the operating system does not keep in memory are slow to read.
    """
    return np.array(features) if features.nbytes <= _IN_MEMORY else features


def _join(parts: Parts, path: Path, total: int) -> None:
    """Write the parts as one array without holding them all in memory."""
    with atomic(path) as temporary:
        array, first = None, 0
        for part in parts:
            block = part["features"]
            if array is None:
                shape = (total, *block.shape[1:])
                array = np.lib.format.open_memmap(temporary, mode="w+", dtype=block.dtype, shape=shape)
            array[first : first + len(block)] = block
            first += len(block)


def _key(images: CropSource, lower: LayerGraph, spec: InputSpec, precision: Precision) -> str:
    """Digest of everything that the features depend on."""
    parts = [images.digest, state_digest(lower), lower.output, asdict(spec), precision]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@torch.inference_mode()
def _activations(
    lower: LayerGraph, inputs: Inputs, rows: NDArray[np.int64], precision: Precision
) -> NDArray[np.float16]:
    device = next(lower.parameters()).device.type
    with autocast(device, precision):
        batches = (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
        parts = [lower(inputs(batch)).half().contiguous().cpu().numpy() for batch in batches]
    return np.concatenate(parts)


def _check(block: NDArray[np.float16], sample_ids: NDArray[np.str_]) -> None:
    bad = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if bad.any():
        names = first_few(sample_ids[bad])
        raise DataError(f"activations of {names} are not finite in float16; cut the network elsewhere")
