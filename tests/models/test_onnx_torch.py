from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from onnx import helper

from fiqa.core.errors import SettingsError, WeightsError
from fiqa.models.onnx_session import Session
from fiqa.models.onnx_torch import to_torch
from onnx_models import make_model, single_node, tiny_recogniser


@pytest.fixture
def model(rng):
    return tiny_recogniser(rng)


@pytest.fixture
def data(rng):
    return rng.normal(size=(5, 3, 8, 8)).astype(np.float32)


def test_the_network_gives_what_onnxruntime_gives(model, data):
    module = to_torch(model)
    assert not module.training
    found = module(torch.from_numpy(data)).detach().numpy()
    np.testing.assert_allclose(found, Session(model)(data)[0], atol=1e-5)


def test_layers_carry_place_and_operator(model):
    names = list(to_torch(model).layers)
    assert names[:3] == ["000_conv", "001_batchnormalization", "002_prelu"]
    assert names[-2:] == ["008_gemm", "009_batchnormalization"]
    assert "layers.008_gemm.weight" in to_torch(model).state_dict()


def test_gradients_against_finite_differences(model, data):
    module = to_torch(model).double()
    point = torch.from_numpy(data[:1]).double().requires_grad_()
    assert torch.autograd.gradcheck(module, (point,), atol=1e-6)


def test_cut_points_leave_out_what_runs_beside_a_residual_branch(model):
    """`act` feeds the branch and the sum; it is a cut itself, what lies inside the branch is not."""
    cuts = to_torch(model).cut_points()
    assert cuts == ("stem_out", "bn1_out", "act", "sum", "bn2_out", "drop_out", "flat", "fc_out")


def test_every_cut_splits_without_changing_the_result(model, data):
    module = to_torch(model)
    whole = module(torch.from_numpy(data))
    for cut in module.cut_points():
        lower, upper = module.split(cut)
        assert torch.equal(upper(lower(torch.from_numpy(data))), whole)
        assert [*lower.layers, *upper.layers] == list(module.layers)


def test_parts_share_layers_and_can_be_cut_again(model, data):
    module = to_torch(model)
    lower, upper = module.split("sum")
    assert upper.layers["008_gemm"] is module.layers["008_gemm"]
    assert lower.cut_points() == ("stem_out", "bn1_out", "act")
    middle, head = upper.split("flat")
    result = head(middle(lower(torch.from_numpy(data))))
    assert torch.equal(result, module(torch.from_numpy(data)))


def test_parts_keep_the_mode_of_the_whole(model):
    lower, upper = to_torch(model).train().split("flat")
    assert lower.training
    assert upper.training


def test_a_cut_inside_a_branch_is_refused(model):
    with pytest.raises(
        SettingsError, match="cannot cut at 'branch_out'; cut points are: stem_out, bn1_out, act"
    ):
        to_torch(model).split("branch_out")


def test_tensors_are_let_go_after_their_last_use(model):
    """At no step of the tiny network do more than two tensors stay alive."""
    module = to_torch(model)
    alive, most = {module.source}, 0
    for step, spent in zip(module.steps, module._spent, strict=True):
        alive = (alive | {step.output}) - set(spent)
        most = max(most, len(alive))
    assert alive == {"y"}
    assert most == 2


def test_nodes_that_the_output_does_not_need_are_left_out():
    nodes = [helper.make_node("Relu", ["x"], ["aside"]), single_node("Sigmoid", "x")]
    module = to_torch(make_model(nodes, {}, input_shape=("n", 4), output_shape=("n", 4)))
    assert list(module.layers) == ["000_sigmoid"]


def test_two_outputs_are_refused(model):
    model.graph.output.add().name = "flat"
    with pytest.raises(WeightsError, match="expected one output, got y, flat"):
        to_torch(model)


def test_a_module_can_be_copied_and_pickled(model, data):
    module = to_torch(model)
    expected = module(torch.from_numpy(data))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(other(torch.from_numpy(data)), expected)
