"""Batches of crops or of cached features, as tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.protocols import InputSpec
from .data import CropSource

Inputs = Callable[[NDArray[np.int64]], Tensor]
"""Rows -> a batch as the network wants it, on its device."""


def pixels(images: CropSource, spec: InputSpec, *, device: str) -> Inputs:
    """Batches of prepared crops (k, 3, size, size), channels last in memory: convolutions run faster so."""

    def batch(rows: NDArray[np.int64]) -> Tensor:
        prepared = torch.from_numpy(spec.prepare(images.load(rows).images))
        return prepared.to(device, memory_format=torch.channels_last)

    return batch


def activations(features: NDArray[np.float16], *, device: str) -> Inputs:
    """Batches of cached features (k, ...), in float32."""
    return lambda rows: torch.from_numpy(features[rows]).to(device).float()


def batch_rows(rows: NDArray[np.int64], step: int, *, batch_size: int, seed: int) -> NDArray[np.int64]:
    """Rows of a step: each epoch takes whole batches of a new permutation, drawn from (seed, epoch).

    Nothing is carried from step to step, so training resumes at any of them.
    """
    epoch, position = divmod(step, steps_per_epoch(len(rows), batch_size))
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return order[position * batch_size : (position + 1) * batch_size]


def steps_per_epoch(n_samples: int, batch_size: int) -> int:
    """Whole batches in an epoch; one incomplete batch where there are too few samples for a whole one."""
    return max(1, n_samples // batch_size)
