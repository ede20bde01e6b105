from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import SettingsError
from fiqa.models.regressor import Regressor
from networks import chain, tiny_recogniser


def test_a_score_is_the_linear_head_on_the_raw_embedding() -> None:
    regressor = Regressor(chain(nn.Flatten()), 3)
    with torch.no_grad():
        regressor.head.weight.copy_(torch.tensor([[1.0, -2.0, 0.5]]))
        regressor.head.bias.fill_(4.0)
        scores = regressor(torch.tensor([[3.0, 1.0, 2.0], [0.0, 0.0, 0.0]]))
    assert scores.tolist() == [6.0, 4.0]


def test_the_head_stays_in_float32_under_autocast() -> None:
    regressor = Regressor(chain(nn.Linear(4, 8)), 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert regressor.backbone(torch.ones(2, 4)).dtype == torch.bfloat16
        assert regressor(torch.ones(2, 4)).dtype == torch.float32


def test_parts_of_a_split_make_the_whole_and_share_its_tensors(rng: np.random.Generator) -> None:
    recogniser = tiny_recogniser()
    regressor = Regressor(recogniser.module, recogniser.dimension).eval()
    images = torch.from_numpy(rng.normal(size=(5, 3, 16, 16)).astype(np.float32))
    lower, upper = regressor.split("t3")
    with torch.inference_mode():
        torch.testing.assert_close(upper(lower(images)), regressor(images), rtol=0, atol=0)
    assert upper.head is regressor.head
    assert not upper.training
    whole = set(map(id, regressor.parameters()))
    assert {id(p) for part in (lower, upper) for p in part.parameters()} == whole


def test_a_cut_that_does_not_exist_is_refused() -> None:
    recogniser = tiny_recogniser()
    with pytest.raises(SettingsError, match="cannot cut at 'nowhere'"):
        Regressor(recogniser.module, 8).split("nowhere")
