from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fiqa.models.frozen import FrozenPReLU, frozen
from fiqa.models.layer_graph import LayerGraph, Step
from fiqa.models.recognisers import load_torch_recogniser
from networks import chain, tiny_recogniser


def value_and_gradient(module, data):
    data = data.clone().requires_grad_()
    output = module(data)
    (gradient,) = torch.autograd.grad(output.square().sum(), data)
    return output.detach(), gradient


def with_statistics(module):
    """The module with BatchNorm layers that do something."""
    torch.manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2)
            nn.init.normal_(layer.bias)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return module.eval()


def test_outputs_and_gradients_are_the_same():
    module = with_statistics(tiny_recogniser().module)
    data = torch.randn(4, 3, 16, 16)
    simpler = frozen(module)
    for found, expected in zip(
        value_and_gradient(simpler, data), value_and_gradient(module, data), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    kinds = [type(layer) for layer in simpler.layers.values()]
    assert nn.BatchNorm2d not in kinds
    assert nn.PReLU not in kinds
    assert len(simpler.cut_points()) == len(module.cut_points()) - 2


def test_the_module_is_left_as_it_is():
    module = with_statistics(tiny_recogniser().module)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    frozen(module)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_convolution_with_two_readers_keeps_its_values():
    layers = {"conv": nn.Conv2d(3, 3, 1), "norm": nn.BatchNorm2d(3), "sum": Sum()}
    steps = [Step("conv", ("x",), "a"), Step("norm", ("a",), "b"), Step("sum", ("a", "b"), "y")]
    module = with_statistics(LayerGraph("x", steps, layers=layers))
    data = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(frozen(module)(data), module(data))


class Sum(nn.Module):
    def forward(self, first, second):
        return first + second


def test_prelu_at_and_around_zero():
    layer = FrozenPReLU(torch.tensor([0.5, -2.0]))
    data = torch.tensor([[-1.0, -1.0], [0.0, 0.0], [3.0, 3.0]], requires_grad=True)
    output = layer(data)
    output.sum().backward()
    assert output.tolist() == [[-0.5, 2.0], [0.0, 0.0], [3.0, 3.0]]
    assert data.grad.tolist() == [[0.5, -2.0], [0.5, -2.0], [1.0, 1.0]]


def test_what_has_nothing_to_fold_stays():
    module = chain(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2)).eval()
    assert [type(layer) for layer in frozen(module).layers.values()] == [
        nn.BatchNorm2d,
        nn.Flatten,
        nn.Linear,
    ]


def test_sface_keeps_its_embeddings(rng):
    recogniser = load_torch_recogniser("sface")
    crops = recogniser.prepare(rng.integers(0, 256, (2, 112, 112, 3), dtype=np.uint8))
    with torch.inference_mode():
        torch.testing.assert_close(
            frozen(recogniser.module)(crops), recogniser.module(crops), rtol=1e-4, atol=1e-5
        )
