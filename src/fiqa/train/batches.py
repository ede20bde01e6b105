"""Batches of crops or of cached features, as tensors, and which samples share one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.protocols import InputSpec
from .data import CropSource
from .settings import Precision

Inputs = Callable[[NDArray[np.int64]], Tensor]
"""Rows -> a batch as the network wants it, on its device."""


_AUTOCAST = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: str, precision: Precision) -> torch.autocast:
    """A context in which networks compute in this precision."""
    return torch.autocast(device, _AUTOCAST[precision], enabled=precision != "float32")


def pixels(images: CropSource, spec: InputSpec, *, device: str) -> Inputs:
    """Batches of prepared crops (k, 3, size, size), channels last in memory: convolutions run faster so."""

    def batch(rows: NDArray[np.int64]) -> Tensor:
        prepared = torch.from_numpy(spec.prepare(images.load(rows).images))
        return prepared.to(device, memory_format=torch.channels_last)

    return batch


def activations(features: NDArray[np.float16], *, device: str) -> Inputs:
    """Batches of cached features (k, ...), in float32."""
    return lambda rows: torch.from_numpy(features[rows]).to(device).float()


class Epoch(NamedTuple):
    """Rows in the order in which they are learnt from; batch k is `order[edges[k]:edges[k + 1]]`."""

    order: NDArray[np.int64]
    edges: NDArray[np.int64]


class Batches:
    """Which rows each step learns from; every epoch is drawn anew from (seed, epoch).

    Nothing is carried from step to step, so training resumes at any of them. An epoch takes whole batches
    alone, or one that is incomplete where there are too few samples for a whole one.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        *,
        size: int,
        seed: int,
        codes: NDArray[np.int64] | None = None,
        per_subject: int = 1,
    ) -> None:
        """Say how batches are drawn.

        Args:
            rows: Rows to draw from.
            size: Samples a batch.
            seed: Of all draws.
            codes: Subject of every row there is; needed for groups alone.
            per_subject: 1 draws samples whoever they show. With K of 2 or more a batch is size // K groups
                of K samples of one subject each, but one group at least. What is left of a subject makes a
                smaller group, and a single sample left over waits for another epoch.
        """
        self.rows, self.size, self.seed, self.codes, self.per_subject = rows, size, seed, codes, per_subject
        self._epoch = lru_cache(maxsize=1)(self._drawn)
        self.per_epoch = len(self._epoch(0).edges) - 1

    def at(self, step: int) -> NDArray[np.int64]:
        """Rows of a step, counted from 0 over all epochs."""
        epoch, position = divmod(step, self.per_epoch)
        order, edges = self._epoch(epoch)
        return order[edges[position] : edges[position + 1]]

    def parts(self, rows: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
        """A batch in this many parts of about equal size, some empty where there are too few samples.

        Samples of one subject that were drawn together stay together.
        """
        if self.codes is None or self.per_subject == 1:
            return np.array_split(rows, count)
        subjects = np.split(rows, np.flatnonzero(np.diff(self.codes[rows])) + 1)
        groups = np.array_split(np.arange(len(subjects)), count)
        return [np.concatenate([rows[:0], *(subjects[index] for index in group)]) for group in groups]

    def _drawn(self, epoch: int) -> Epoch:
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.rows)
        if self.codes is None or self.per_subject == 1:
            return Epoch(order, _edges(np.ones(len(order), np.int64), self.size))
        order = order[np.argsort(self.codes[order], kind="stable")]
        _, firsts, sizes = np.unique(self.codes[order], return_index=True, return_counts=True)
        opens = (np.arange(len(order)) - np.repeat(firsts, sizes)) % self.per_subject == 0
        group = np.cumsum(opens) - 1
        members = np.bincount(group)
        shuffled = rng.permutation(len(members))
        order = order[np.argsort(np.argsort(shuffled)[group], kind="stable")]
        members = members[shuffled]
        pairs = members > 1
        return Epoch(
            order[np.repeat(pairs, members)], _edges(members[pairs], max(1, self.size // self.per_subject))
        )


def _edges(members: NDArray[np.int64], per_batch: int) -> NDArray[np.int64]:
    """Edges of the batches of that many groups each, where groups have these numbers of members."""
    ends = np.concatenate([[0], np.cumsum(members)])
    whole: NDArray[np.int64] = ends[::per_batch]
    return whole if len(whole) > 1 else ends[[0, -1]]
