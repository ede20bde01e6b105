"""A moving average of what is learnt: steadier than the last state, at the price of a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class MovingAverage:
    """Exponential moving average of tensors, updated once a step.

    After step t, counted from 1, each average moves to its tensor by the share 1 - min(decay, t / (t + 9)):
    the first states, mostly a random head, are soon forgotten, and short trainings average over less.

    Attributes:
        values: The averages, in the order of the tensors; those themselves before the first step.

    Source:
        Polyak, Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992,
        doi 10.1137/0330046, for averaging; the growing decay is that of TensorFlow's moving average.
    """

    def __init__(self, tensors: list[Tensor], *, decay: float) -> None:
        self._tensors, self._decay = tensors, decay
        self.values = [tensor.detach().clone() for tensor in tensors]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the tensors as they are after this step, counted from 1."""
        share = 1 - min(self._decay, step / (step + 9))
        for value, tensor in zip(self.values, self._tensors, strict=True):
            value.lerp_(tensor, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages stand in the tensors while the block runs, and the tensors' own values afterwards."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for value, tensor in zip(self.values, self._tensors, strict=True):
            kept = tensor.clone()
            tensor.copy_(value)
            value.copy_(kept)
