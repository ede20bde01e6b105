from __future__ import annotations

import pytest
import torch
from torch import nn

from fiqa.models.watch import watching


def test_input_and_output_are_seen_within_the_block_alone():
    double, other = nn.Linear(1, 1, bias=False), nn.Identity()
    nn.init.constant_(double.weight, 2.0)
    seen = []
    with torch.no_grad(), watching([double], lambda layer, data, output: seen.append((layer, data, output))):
        other(double(torch.tensor([3.0])))
    double(torch.tensor([4.0]))
    assert [(layer, float(data), float(output)) for layer, data, output in seen] == [(double, 3.0, 6.0)]


def test_modules_are_left_as_they_were_after_an_error():
    layer, seen = nn.Identity(), []
    with pytest.raises(KeyError), watching([layer], lambda *_: seen.append(1)):
        raise KeyError
    layer(torch.zeros(1))
    assert seen == []
