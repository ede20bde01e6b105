from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from fiqa.train.losses import LOSSES, mean_loss
from fiqa.train.settings import Loss


def test_every_loss_of_the_settings_is_there() -> None:
    assert set(LOSSES) == set(get_args(Loss))


def test_losses_worked_by_hand() -> None:
    scores, targets = torch.tensor([0.5, 0.0, 1.0]), torch.tensor([0.45, 0.3, 1.0])
    assert LOSSES["l1"](scores, targets).item() == pytest.approx(0.35 / 3)
    expected = (0.05**2 / 2 + 0.1 * (0.3 - 0.05)) / 3
    assert LOSSES["huber"](scores, targets).item() == pytest.approx(expected)


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
    scores, targets = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.zeros(5)
    assert mean_loss("l1", scores, targets, batch_size=2) == pytest.approx(3.0)
