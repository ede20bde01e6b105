"""Published quality networks that are a recogniser with a small head of its own."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from .iresnet import iresnet
from .mobilefacenet import unit_mobilefacenet


def diffiqa_r(depth: int) -> nn.Module:
    """DifFIQA(R): one linear score on the raw embedding of an iresnet."""
    return nn.Sequential(OrderedDict(base=iresnet(depth), linear=nn.Linear(512, 1)))


def ediffiqa(depth: int) -> nn.Module:
    """EDifFIQA (L, M, S): two linear layers on the raw embedding of an iresnet."""
    return _ediffiqa(iresnet(depth))


def ediffiqa_tiny() -> nn.Module:
    """EDifFIQA (T): the same on the unit embedding of a MobileFaceNet."""
    return _ediffiqa(unit_mobilefacenet())


def _ediffiqa(base: nn.Module) -> nn.Module:
    layers = {"l1": nn.Linear(512, 1024), "ac": nn.GELU(), "l2": nn.Linear(1024, 1)}
    return nn.Sequential(OrderedDict(base_model=base, mlp=nn.Sequential(OrderedDict(layers))))
