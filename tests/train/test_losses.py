from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch

from fiqa.models.objective import Facts
from fiqa.train.losses import LOSSES, LabelRegression, mean_loss
from fiqa.train.settings import Loss


def test_every_loss_of_the_settings_is_there() -> None:
    assert set(LOSSES) == set(get_args(Loss))


def test_losses_worked_by_hand() -> None:
    scores, targets = torch.tensor([0.5, 0.0, 1.0]), torch.tensor([0.45, 0.3, 1.0])
    assert LOSSES["l1"](scores, targets).item() == pytest.approx(0.35 / 3)
    expected = (0.05**2 / 2 + 0.1 * (0.3 - 0.05)) / 3
    assert LOSSES["huber"](scores, targets).item() == pytest.approx(expected)
    far = torch.tensor([0.45, 0.9, 1.4])
    expected = (0.05**2 + (0.9 - 0.25) + 0.4**2) / 3
    assert LOSSES["smooth_l1"](scores, far).item() == pytest.approx(expected)


def test_ranking_loss_has_a_slow_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(9, generator=generator)
    targets = torch.randint(0, 4, (9,), generator=generator).float()
    pairs = [(i, j) for i in range(9) for j in range(9) if targets[i] > targets[j]]
    twin = sum(math.log1p(math.exp(-(scores[i] - scores[j]))) for i, j in pairs) / len(pairs)
    assert LOSSES["ranking"](scores, targets).item() == pytest.approx(twin, rel=1e-6)


def test_ranking_loss_pulls_the_better_up_and_ignores_ties() -> None:
    scores = torch.zeros(3, requires_grad=True)
    LOSSES["ranking"](scores, torch.tensor([0.0, 1.0, 1.0])).backward()
    assert scores.grad is not None
    assert scores.grad[0] > 0 > scores.grad[1] == scores.grad[2]
    tied = torch.randn(4, requires_grad=True)
    loss = LOSSES["ranking"](tied, torch.ones(4))
    loss.backward()
    assert loss.item() == 0
    assert tied.grad is not None
    assert not tied.grad.any()


def test_mean_loss_weighs_batches_by_size() -> None:
    objective = LabelRegression(Facts(np.zeros(7, np.int64), 2, np.zeros(7, np.float32)))
    scores, rows = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.arange(2, 7)
    assert mean_loss(objective, torch.zeros(5, 2), scores, rows, batch_size=2) == pytest.approx(3.0)


def test_labels_are_looked_up_by_row() -> None:
    facts = Facts(np.zeros(4, np.int64), 2, np.array([0.0, 0.25, 0.5, 1.0], np.float32))
    loss = LabelRegression(facts, loss="l1")(
        torch.zeros(2, 2), torch.tensor([0.5, 0.5]), torch.tensor([3, 1])
    )
    assert loss.item() == pytest.approx((0.5 + 0.25) / 2)
