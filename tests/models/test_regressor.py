from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import SettingsError
from fiqa.models.regressor import HEADS, Head, Regressor
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


@pytest.mark.parametrize("head", list(HEADS))
def test_each_head_gives_one_score_an_image_and_shares_it_with_its_parts(
    head: Head, rng: np.random.Generator
) -> None:
    recogniser = tiny_recogniser()
    regressor = Regressor(recogniser.module, 8, head=head).eval()
    for parameter in regressor.head.parameters():
        nn.init.normal_(parameter)
    images = torch.from_numpy(rng.normal(size=(5, 3, 16, 16)).astype(np.float32))
    with torch.inference_mode():
        embeddings, scores = regressor.embed_and_score(images)
        assert torch.equal(scores, regressor(images))
        assert scores.shape == (5,)
        torch.testing.assert_close(embeddings, recogniser.module(images))
        for cut in ("t3", recogniser.module.output):
            lower, upper = regressor.split(cut)
            assert upper.kind == head
            assert torch.equal(upper(lower(images)), scores)


def test_heads_worked_by_hand() -> None:
    embeddings = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert HEADS["norm"](2)(embeddings).tolist() == [[5.0], [0.0]]
    assert not list(HEADS["norm"](2).parameters())
    sigmoid = HEADS["sigmoid"](2)
    assert sigmoid(embeddings).tolist() == [[0.5], [0.5]]
    nn.init.constant_(sigmoid[0].weight, 0.1)
    assert sigmoid(embeddings)[0].item() == pytest.approx(1 / (1 + np.exp(-0.7)))
    mlp = HEADS["mlp"](512)
    assert [tuple(parameter.shape) for parameter in mlp.parameters()] == [
        *((1024, 512), (1024,), (1, 1024), (1,))
    ]
    assert mlp(torch.ones(1, 512)).item() == 0


def test_the_length_of_nothing_has_no_gradient() -> None:
    embeddings = torch.zeros(1, 3, requires_grad=True)
    HEADS["norm"](3)(embeddings).sum().backward()
    assert embeddings.grad is not None
    assert not embeddings.grad.any()
