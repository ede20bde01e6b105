"""Which tensors of a regressor learn, and how fast.

Groups go by position in the backbone's parameter list, whatever the network: the published recipe counts
from the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from torch import nn

from ..core.errors import SettingsError
from ..models.layer_graph import LayerGraph
from ..models.objective import Objective
from ..models.regressor import Regressor


@dataclass(frozen=True)
class Group:
    """Parameters `[start:stop]` of the backbone's list, counted from the end.

    Attributes:
        name: For people.
        start: First parameter tensor, negative.
        stop: One past the last, negative or None.
        rate: Learning rate as a share of the head's.
        weight_decay: L2 penalty inside Adam.
    """

    name: str
    start: int
    stop: int | None
    rate: float
    weight_decay: float


HEAD_WEIGHT_DECAY: Final = 1e-4
LAST_TENSORS: Final = 10
PUBLISHED: Final = (
    Group("last 10", -LAST_TENSORS, None, 1.0, 1e-5),
    Group("-50 to -10", -50, -LAST_TENSORS, 0.1, 1e-6),
    Group("-100 to -50", -100, -50, 0.01, 1e-6),
)


def published_groups(regressor: Regressor, *, learning_rate: float) -> list[dict[str, Any]]:
    """Optimiser groups of the published recipe; every other parameter is set to need no gradient.

    The published code leaves the other parameters' gradients on. They are in no group, so they are never
    cleared, and grow without end inside the norm that the trained ones are clipped by. Here they have none.

    Args:
        regressor: Network to train; its parameters' `requires_grad` are set.
        learning_rate: Of the head (1e-3 as published).

    Returns:
        Keyword dictionaries for `torch.optim.Adam`; groups that a short backbone leaves empty are dropped.

    Source:
        Babnik, Peer, Struc, 2023, arXiv 2305.14856 and its released code.
    """
    backbone = list(regressor.backbone.parameters())
    regressor.backbone.requires_grad_(False)
    groups = head_groups(regressor, learning_rate=learning_rate)
    for part in PUBLISHED:
        if parameters := backbone[part.start : part.stop]:
            rate = learning_rate * part.rate
            groups.append(_group(part.name, parameters, rate=rate, weight_decay=part.weight_decay))
    return groups


def last_block_groups(regressor: Regressor, *, learning_rate: float) -> list[dict[str, Any]]:
    """Optimiser groups where the whole backbone given learns like the published last 10 tensors."""
    parameters, last = list(regressor.backbone.parameters()), PUBLISHED[0]
    rate = learning_rate * last.rate
    block = _group("last block", parameters, rate=rate, weight_decay=last.weight_decay)
    return [*head_groups(regressor, learning_rate=learning_rate), block]


def whole_groups(regressor: Regressor, *, learning_rate: float) -> list[dict[str, Any]]:
    """Optimiser groups where every tensor learns at the rate of the head."""
    backbone = list(regressor.backbone.requires_grad_().parameters())
    whole = _group("backbone", backbone, rate=learning_rate, weight_decay=PUBLISHED[0].weight_decay)
    return [*head_groups(regressor, learning_rate=learning_rate), whole]


def head_groups(regressor: Regressor, *, learning_rate: float) -> list[dict[str, Any]]:
    """Optimiser groups of the head; none where it has no parameters."""
    return _own_groups("head", regressor.head, rate=learning_rate, weight_decay=HEAD_WEIGHT_DECAY)


def objective_groups(objective: Objective, *, learning_rate: float) -> list[dict[str, Any]]:
    """Optimiser groups of what an objective learns beside the regressor, at the rate of a head.

    Nothing decays: only the directions of class weights matter.
    """
    return _own_groups("objective", objective, rate=learning_rate, weight_decay=0.0)


def last_block_cut(backbone: LayerGraph) -> str:
    """The topmost cut point that leaves the last 10 parameter tensors, or more, above it.

    Raises:
        SettingsError: If the backbone has no such cut.
    """
    cuts = backbone.cut_points()
    for cut in reversed(cuts):
        if len(list(backbone.split(cut)[1].parameters())) >= LAST_TENSORS:
            return cut
    raise SettingsError(
        f"no cut leaves {LAST_TENSORS} parameter tensors above it (cut points: {', '.join(cuts) or 'none'}); "
        f"name a cut or train the layers 'published'"
    )


def _own_groups(name: str, module: nn.Module, *, rate: float, weight_decay: float) -> list[dict[str, Any]]:
    parameters = list(module.parameters())
    return [_group(name, parameters, rate=rate, weight_decay=weight_decay)] if parameters else []


def _group(name: str, parameters: list[nn.Parameter], *, rate: float, weight_decay: float) -> dict[str, Any]:
    for parameter in parameters:
        parameter.requires_grad_(True)
    return {"name": name, "params": parameters, "lr": rate, "weight_decay": weight_decay}
