"""What training minimises: (scores (n,), targets (n,)) -> a scalar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F


def ranking_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean of log(1 + exp(-(s_i - s_j))) over all pairs of the batch with t_i > t_j; 0 if there are none.

    Scores are free up to a constant: only their order is learnt.

    Source:
        Burges et al., "Learning to Rank Using Gradient Descent", ICML 2005, eq. 3 with target probability 1,
        doi 10.1145/1102351.1102363.
    """
    higher = targets[:, None] > targets[None, :]
    differences = scores[:, None] - scores[None, :]
    return (F.softplus(-differences) * higher).sum() / higher.sum().clamp(min=1)


def huber_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Huber's loss, quadratic below an error of 0.1 of the target range and linear above.

    Source:
        Huber, "Robust Estimation of a Location Parameter", 1964, doi 10.1214/aoms/1177703732.
    """
    return F.huber_loss(scores, targets, delta=0.1)


LOSSES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "l1": F.l1_loss,
    "huber": huber_loss,
    "ranking": ranking_loss,
}


@torch.no_grad()
def mean_loss(name: str, scores: Tensor, targets: Tensor, *, batch_size: int) -> float:
    """The loss of many samples: its mean over batches, weighted by their sizes."""
    parts = zip(torch.split(scores, batch_size), torch.split(targets, batch_size), strict=True)
    return sum(float(LOSSES[name](s, t)) * len(s) for s, t in parts) / len(scores)
