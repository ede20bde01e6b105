"""Regression of labels: losses as (scores (n,), targets (n,)) -> a scalar, and the objective made of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.objective import Facts, Objective
from .settings import Loss


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


def smooth_l1_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 with beta 0.5, quadratic below an error of 0.5 and linear above; CR-FIQA's loss.

    Source:
        Boutros et al., CVPR 2023, arXiv 2112.06592, for the constant.
    """
    return F.smooth_l1_loss(scores, targets, beta=0.5)


LOSSES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "l1": F.l1_loss,
    "huber": huber_loss,
    "smooth_l1": smooth_l1_loss,
    "ranking": ranking_loss,
}


class LabelRegression(Objective):
    """Learn to output the label of a sample."""

    needs = ("labels",)
    targets: Tensor

    def __init__(self, facts: Facts, *, loss: Loss = "l1") -> None:
        super().__init__(facts)
        assert facts.targets is not None  # by `needs`
        self.loss = LOSSES[loss]
        self.keep("targets", facts.targets)

    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The loss between scores and labels."""
        return self.loss(scores, self.targets[rows])


@torch.no_grad()
def mean_loss(
    objective: Objective, embeddings: Tensor, scores: Tensor, rows: Tensor, *, batch_size: int
) -> float:
    """The loss of many samples: its mean over batches, weighted by their sizes."""
    parts = zip(*(torch.split(column, batch_size) for column in (embeddings, scores, rows)), strict=True)
    return sum(float(objective(*part)) * len(part[0]) for part in parts) / len(rows)
