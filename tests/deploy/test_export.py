from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from fiqa.core.errors import ExportError
from fiqa.core.protocols import InputSpec
from fiqa.deploy.export import to_int8, to_onnx
from fiqa.deploy.parity import Parity
from fiqa.models.crop_network import CropNetwork
from fiqa.models.onnx_graph import to_float16
from fiqa.models.onnx_session import onnx_network
from networks import SPEC


def prepared(images, spec):
    return torch.from_numpy(spec.prepare(images))


def network(model: bytes) -> CropNetwork:
    return onnx_network("tiny", model, InputSpec(size=16), gives="score")


def test_the_file_takes_raw_crops_in_any_number(regressor, exported, images):
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == ("image", ["n", 3, 16, 16], "tensor(float)")
    assert (answer.name, answer.shape) == ("quality", ["n"])
    with torch.inference_mode():
        expected = regressor(prepared(images, SPEC)).numpy()
    raw = images.transpose(0, 3, 1, 2).astype(np.float32)
    for n in (1, 7, 40):
        np.testing.assert_allclose(session.run(None, {"image": raw[:n]})[0], expected[:n], atol=1e-5)


def test_batch_normalisation_behind_a_convolution_is_folded(exported):
    kinds = [node.op_type for node in onnx.load_from_string(exported).graph.node]
    assert kinds.count("Conv") == 2
    assert "BatchNormalization" not in kinds[: kinds.index("Flatten")]
    assert "Dropout" not in kinds


def test_blue_first_and_channelwise_normalisation_go_into_the_graph(regressor, images):
    spec = InputSpec(size=16, colour="bgr", mean=(1.0, 20.0, 30.0), std=(40.0, 50.0, 60.0))
    with torch.inference_mode():
        expected = regressor(prepared(images, spec)).numpy()
    run = network(to_onnx(regressor, spec))
    np.testing.assert_allclose(run(images)[:, 0], expected, atol=1e-5)


def test_the_mean_over_both_mirror_images(regressor, images):
    run = network(to_onnx(regressor, SPEC, mirror=True))
    flipped = images[:, :, ::-1]
    with torch.inference_mode():
        expected = sum(regressor(prepared(one, SPEC)).numpy() for one in (images, flipped)) / 2
    np.testing.assert_allclose(run(images)[:, 0], expected, atol=1e-5)
    for n in (1, 7):
        np.testing.assert_allclose(run(flipped[:n])[:, 0], expected[:n], atol=1e-5)


def test_float16_stores_the_rounded_weights_and_computes_in_float32(exported, images):
    half = to_float16(exported)
    plain, stored = (onnx.load_from_string(model).graph for model in (exported, half))
    weights = {item.name: onnx.numpy_helper.to_array(item) for item in plain.initializer}
    kept = {item.name: onnx.numpy_helper.to_array(item) for item in stored.initializer}
    for name, values in weights.items():
        expected = values.astype(np.float16) if values.dtype == np.float32 and values.ndim > 1 else values
        found = kept.get(name, kept.get(f"{name}.float16"))
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert any(values.dtype == np.float16 for values in kept.values())
    run = [network(model)(images)[:, 0] for model in (half, exported)]
    assert run[0].dtype == np.float32
    assert 0 < np.abs(run[0] - run[1]).max() < 2e-3 * np.ptp(run[1])


def test_int8_keeps_the_order_and_is_smaller_inside(regressor, exported, images):
    small = to_int8(exported, images)
    graph = onnx.load_from_string(small).graph
    kinds = {node.op_type for node in graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    scales = {item.name: item for item in graph.initializer}
    assert any(list(item.dims) == [4] for name, item in scales.items() if name.endswith("_scale"))
    run = [network(model)(images)[:, 0] for model in (small, exported)]
    assert np.abs(run[0] - run[1]).max() > 0
    assert Parity.of(run[0], reference=run[1]).spearman > 0.95


def test_a_layer_without_onnx_form_is_named():
    class Odd(nn.Module):
        def forward(self, images):
            return torch.linalg.eigvals(images[:, 0]).real[:, 0]

    with pytest.raises(ExportError, match=r"this network has no ONNX form: .*eig"):
        to_onnx(Odd(), SPEC)


def test_what_is_no_model_cannot_be_quantised(images):
    with pytest.raises(ExportError, match="the model cannot be quantised"):
        to_int8(b"nothing", images)
