from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fiqa.core.errors import WeightsError
from fiqa.models.onnx_graph import read_graph
from fiqa.models.onnx_session import Session
from fiqa.models.onnx_wire import edited, free_batch, free_image, selected, without_scalar_blocks
from fiqa.models.weights import find_weights


def shapes(values):
    return [[dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim] for value in values]


def fixed_model(block_size=2):
    """y = relu(x) * dequantised weight of one scale, all lengths recorded."""
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["w"], axis=0, block_size=block_size),
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Mul", ["r", "w"], ["y"]),
    ]
    weights = {
        "q": np.array([3, 3], np.int8),
        "scale": np.array([0.5], np.float32),
        "zero": np.array([1], np.int8),
    }
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 4, 2))
    graph = helper.make_graph(
        nodes,
        "g",
        [image],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 3, 4, 2))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
        value_info=[helper.make_tensor_value_info("r", TensorProto.FLOAT, (1, 3, 4, 2))],
    )
    opset = [helper.make_opsetid("", 21)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def test_height_and_width_become_free_and_nothing_else_changes():
    before, after = onnx.load_from_string(fixed_model()), onnx.load_from_string(free_image(fixed_model()))
    assert shapes(after.graph.input) == [[1, 3, "free", "free"]]
    assert shapes(after.graph.output) == [[]]
    assert after.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert not after.graph.value_info
    assert list(after.graph.node) == list(before.graph.node)
    assert list(after.graph.initializer) == list(before.graph.initializer)


def test_block_sizes_of_single_scales_are_dropped():
    model = without_scalar_blocks(fixed_model())
    names = [[item.name for item in node.attribute] for node in onnx.load_from_string(model).graph.node]
    assert names == [["axis"], [], []]
    run = Session(free_image(model), dequantised=True).first
    np.testing.assert_array_equal(run(np.full((1, 3, 5, 2), 7, np.float32)), np.full((1, 3, 5, 2), 7.0))


def test_the_detector_computes_as_with_the_onnx_package():
    path = find_weights("yunet")
    ours = Session(without_scalar_blocks(free_image(path.read_bytes())), dequantised=True)
    theirs = Session(read_graph(path, free="image"))
    assert ours.output_names == theirs.output_names
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 96, 64)).astype(np.float32)
    for one, other in zip(ours(image), theirs(image), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_recogniser_computes_as_with_the_onnx_package():
    path = find_weights("sface")
    ours = Session(without_scalar_blocks(free_batch(path.read_bytes())), dequantised=True)
    images = np.random.default_rng(0).uniform(0, 255, (3, 3, 112, 112)).astype(np.float32)
    np.testing.assert_array_equal(ours.first(images), Session(read_graph(path)).first(images))


def test_inputs_that_are_weights_or_idle_are_dropped():
    model = onnx.load_from_string(fixed_model())
    for name in ("q", "idle"):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, (1,)))
    freed = onnx.load_from_string(free_batch(model.SerializeToString()))
    assert [value.name for value in freed.graph.input] == ["x"]
    assert shapes(freed.graph.input) == [["free", 3, 4, 2]]


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(min_value=1, max_value=5000))
def test_an_edit_that_changes_nothing_gives_the_same_bytes(names, domain):
    model = helper.make_model(helper.make_graph([], "g", [], []), model_version=domain)
    model.metadata_props.extend(onnx.StringStringEntryProto(key=name.hex()) for name in names)
    content = model.SerializeToString()
    assert edited(content, (14, 1), lambda key: key) == content
    assert [key.decode() for key in selected(content, (14, 1))] == [name.hex() for name in names]
    assert list(selected(edited(content, (14,), lambda _: None), (14,))) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (fixed_model()[:-3], "cut short at byte"),
        (b"\x3a", "cut short at byte 1"),
        (b"\xff" * 12, "cut short"),
        (b"\x0b", "a field of kind 3 at byte 0"),
    ],
)
def test_what_is_no_model_is_refused(content, message):
    with pytest.raises(WeightsError, match=message):
        free_image(content)
