"""Several processes that train one regressor, on one machine or more; `torchrun` starts them.

Each works through its share of every batch. Gradients are summed before the step, so all hold the same
weights, and the step is that of the whole batch however many there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from .settings import Device

Value = TypeVar("Value")

_TIMEOUT = timedelta(days=1)
"""The first process computes features while the others wait; `torchrun` ends all of them if one fails."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; every method but `first` is called by all of them.

    Attributes:
        rank: 0..size-1; the first process alone writes files.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, the same bits in all of them."""
        if self.size > 1 and tensors:
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            dist.all_reduce(flat)
            totals = torch.split(flat, [tensor.numel() for tensor in tensors])
            for tensor, total in zip(tensors, totals, strict=True):
                tensor.copy_(total.view_as(tensor))

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        self.sum(tensors)
        for tensor in tensors:
            tensor.div_(self.size)

    def gather(self, value: Value) -> list[Value]:
        """The values of all processes, by rank; tensors in them should be on the CPU."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def in_turn(self, work: Callable[[], Value]) -> Value:
        """Work whose outcome stays on disk: the first process does it, then the others find it done."""
        if not self.first:
            self.gather(None)
            return work()
        result = work()
        self.gather(None)
        return result


ALONE = Processes()


@contextmanager
def joined(device: Device) -> Iterator[Processes]:
    """The processes that `torchrun` started, or this one alone; inside such a block the same ones.

    On GPUs each process takes the one of its local rank. NCCL carries what is on GPUs, gloo all else.
    """
    if dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size())
        return
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Optimisers load this module; its functions keep the group of that moment as a default argument. Such a
    # group outlives its destruction, and its threads abort the process if they let go of tensors at its end.
    import_module("torch._dynamo")
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=_TIMEOUT)
    processes = Processes(dist.get_rank(), dist.get_world_size())
    try:
        yield processes
        processes.gather(None)  # none leaves while another still needs it
    finally:
        dist.destroy_process_group()
