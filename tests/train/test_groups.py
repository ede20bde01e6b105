from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from fiqa.core.errors import SettingsError
from fiqa.methods.magface_training import MagFaceObjective
from fiqa.methods.pcnet_training import PcNetObjective
from fiqa.models.layer_graph import LayerGraph
from fiqa.models.recognisers import load_torch_recogniser
from fiqa.models.regressor import Regressor
from fiqa.train.groups import (
    head_groups,
    last_block_cut,
    last_block_groups,
    objective_groups,
    published_groups,
    whole_groups,
)
from networks import chain, tiny_recogniser
from objectives import make_facts


def deep(layers: int) -> LayerGraph:
    """Linear layers of two parameter tensors each."""
    return chain(*(nn.Linear(2, 2) for _ in range(layers)))


def test_groups_are_the_published_table() -> None:
    regressor = Regressor(deep(60), 2)
    backbone = list(regressor.backbone.parameters())
    groups = published_groups(regressor, learning_rate=1e-3)
    table = [(group["name"], group["lr"], group["weight_decay"]) for group in groups]
    assert table == [
        ("head", 1e-3, 1e-4),
        ("last 10", 1e-3, 1e-5),
        ("-50 to -10", 1e-4, 1e-6),
        ("-100 to -50", 1e-5, 1e-6),
    ]
    expected = [list(regressor.head.parameters()), backbone[110:], backbone[70:110], backbone[20:70]]
    for group, parameters in zip(groups, expected, strict=True):
        assert [id(p) for p in group["params"]] == [id(p) for p in parameters]
        assert all(p.requires_grad for p in parameters)
    assert not any(p.requires_grad for p in backbone[:20])


def test_a_short_backbone_has_fewer_groups() -> None:
    groups = published_groups(Regressor(deep(6), 2), learning_rate=1.0)
    assert [(group["name"], len(group["params"])) for group in groups] == [
        ("head", 2),
        ("last 10", 10),
        ("-50 to -10", 2),
    ]


def test_rates_scale_with_the_learning_rate() -> None:
    groups = published_groups(Regressor(deep(60), 2), learning_rate=0.5)
    assert [group["lr"] for group in groups] == [0.5, 0.5, 0.05, 0.005]


def test_the_last_block_learns_whole_at_the_rate_of_the_last_ten() -> None:
    _, upper = Regressor(tiny_recogniser().module, 8).split("t3")
    head, block = last_block_groups(upper, learning_rate=0.01)
    assert (head["lr"], head["weight_decay"], len(head["params"])) == (0.01, 1e-4, 2)
    assert (block["lr"], block["weight_decay"]) == (0.01, 1e-5)
    assert [id(p) for p in block["params"]] == [id(p) for p in upper.backbone.parameters()]
    assert all(p.requires_grad for p in upper.parameters())


def test_the_cut_is_the_topmost_with_ten_tensors_above() -> None:
    module = deep(9)
    assert last_block_cut(module) == "t4"
    assert len(list(module.split("t4")[1].parameters())) == 10
    assert last_block_cut(tiny_recogniser().module) == "t2"


def test_a_network_without_such_a_cut_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"no cut leaves 10 parameter tensors above it \(cut points: t1, t2, t3\)"
    ):
        last_block_cut(deep(4))


def test_the_last_block_of_sface_is_its_last_convolution_and_embedding() -> None:
    module = load_torch_recogniser("sface").module
    cut = last_block_cut(module)
    kinds = [type(layer).__name__ for layer in module.split(cut)[1].layers.values()]
    assert cut == "conv_14_dw_relu"
    assert kinds == [
        *("Conv2d", "BatchNorm2d", "PReLU", "BatchNorm2d", "Dropout", "Flatten", "Linear", "BatchNorm1d")
    ]


def test_heads_and_objectives_learn_at_the_full_rate_where_they_can_learn(rng: np.random.Generator) -> None:
    regressor = Regressor(deep(2), 2)
    (head,) = head_groups(regressor, learning_rate=0.1)
    assert (head["lr"], head["weight_decay"], len(head["params"])) == (0.1, 1e-4, 2)
    assert head_groups(Regressor(deep(2), 2, head="norm"), learning_rate=0.1) == []
    facts = make_facts(rng, [2, 2])
    (classes,) = objective_groups(MagFaceObjective(facts), learning_rate=0.1)
    assert (classes["name"], classes["lr"], classes["weight_decay"]) == ("objective", 0.1, 0.0)
    assert objective_groups(PcNetObjective(facts), learning_rate=0.1) == []


def test_the_whole_network_learns_at_one_rate() -> None:
    regressor = Regressor(deep(60), 2)
    regressor.backbone.requires_grad_(False)
    head, backbone = whole_groups(regressor, learning_rate=2e-3)
    assert (head["lr"], backbone["lr"], backbone["weight_decay"]) == (2e-3, 2e-3, 1e-5)
    assert backbone["params"] == list(regressor.backbone.parameters())
    assert all(parameter.requires_grad for parameter in regressor.parameters())
