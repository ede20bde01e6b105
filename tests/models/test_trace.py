from __future__ import annotations

import operator

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.methods.faceqan import FaceQan
from fiqa.methods.ser_fiq import SerFiq
from fiqa.models.ir import adaface
from fiqa.models.iresnet import iresnet, magface
from fiqa.models.mobilefacenet import mobilefacenet
from fiqa.models.onnx_operators import Arithmetic
from fiqa.models.torch_recogniser import TorchRecogniser
from fiqa.models.trace import trace
from fiqa.train.groups import last_block_cut


class Fork(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.less = Arithmetic(operator.sub, None, None)

    def forward(self, data):
        data = self.stem(data)
        return self.less(self.right(data), self.left(data))


def test_layers_are_shared_and_tensors_named_after_them():
    module = Fork()
    graph = trace(module.eval())
    assert not graph.training
    assert [(step.layer, step.inputs, step.output) for step in graph.steps] == [
        ("000_stem_0", ("data",), "stem_0"),
        ("001_stem_1", ("stem_0",), "stem_1"),
        ("002_right", ("stem_1",), "right"),
        ("003_left", ("stem_1",), "left"),
        ("004_less", ("right", "left"), "less"),
    ]
    assert graph.layers["000_stem_0"] is module.stem[0]
    assert graph.cut_points() == ("stem_0", "stem_1")
    data = torch.rand(2, 3, 5, 5)
    torch.testing.assert_close(graph(data), module(data), rtol=0, atol=0)


def test_training_mode_is_kept():
    assert trace(Fork()).training


class Loose(nn.Sequential):
    def forward(self, data):
        return super().forward(data).relu()


def test_work_outside_of_submodules_is_refused():
    with pytest.raises(WeightsError, match="Loose calls relu outside of its submodules"):
        trace(Loose(nn.Conv2d(3, 4, 3)))


@pytest.mark.parametrize(
    ("build", "width"),
    [
        (lambda: iresnet(18), 25088),
        (lambda: magface(18), 25088),
        (lambda: adaface(18), 25088),
        (mobilefacenet, 512),
    ],
    ids=["iresnet", "magface", "adaface", "mobilefacenet"],
)
def test_every_architecture_can_be_cut_trained_and_scored_without_training(build, width):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build().eval()
    crops = torch.rand(2, 3, 112, 112)
    recogniser = TorchRecogniser("random", InputSpec(), module=trace(module))
    assert recogniser.dimension == 512
    with torch.inference_mode():
        expected = module(crops)
        trunk, head = recogniser.before_embedding()
        flat = trunk(crops)
        lower, upper = recogniser.split(last_block_cut(recogniser.module))
        halves = upper(lower(crops))
    assert flat.shape == (2, width)
    assert not any("Dropout" in type(layer).__name__ for layer in trunk.layers.values())
    np.testing.assert_allclose(head(flat), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(halves, expected, rtol=1e-4, atol=1e-5)
    assert len(list(upper.parameters())) >= 10
    images = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    for method in (SerFiq(recogniser, passes=4, scaling="plain"), FaceQan(recogniser, copies=1, steps=1)):
        assert np.isfinite(method.score(FaceCrops(images))).all()
