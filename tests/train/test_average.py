from __future__ import annotations

from contextlib import suppress

import pytest
import torch

from fiqa.train.average import MovingAverage


def test_averages_worked_by_hand() -> None:
    weight = torch.tensor([1.0], requires_grad=True)
    average = MovingAverage([weight], decay=0.15)
    for step, (value, expected) in enumerate([(2.0, 0.1 + 1.8), (4.0, 0.15 * 1.9 + 0.85 * 4)], start=1):
        with torch.no_grad():
            weight.fill_(value)
        average.update(step)  # shares of the past: 1/10, then min(0.15, 2/11)
        assert average.values[0].item() == pytest.approx(expected)
    assert not average.values[0].requires_grad


def test_the_average_stands_in_the_tensors_for_the_length_of_a_block() -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    average = MovingAverage([weight], decay=0.5)
    with torch.no_grad():
        weight.add_(10)
    with suppress(KeyboardInterrupt), average.in_place():
        assert weight.tolist() == [1, 2]
        raise KeyboardInterrupt
    assert weight.tolist() == [11, 12]
    assert average.values[0].tolist() == [1, 2]
