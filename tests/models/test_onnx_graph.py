from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from fiqa.core.errors import WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.models.onnx_graph import initializers, read_crop_graph, read_graph
from fiqa.models.onnx_session import Session
from onnx_models import make_model, saved, single_node, tiny_recogniser


def read(nodes, weights, tmp_path, **settings):
    settings = {"input_shape": ("n", 4), "output_shape": ("n", 4), **settings}
    return read_graph(saved(make_model(nodes, weights, **settings), tmp_path / "tiny.onnx"))


def folded(node, weights, tmp_path):
    """The value of a constant node `c`, read back from the folded graph of x + c."""
    model = read([node, single_node("Add", "x", "c")], weights, tmp_path)
    assert [item.op_type for item in model.graph.node] == ["Add"]
    return initializers(model.graph)["c"]


def test_block_dequantisation_against_loops(tmp_path, rng):
    values = rng.integers(-128, 128, (3, 10), dtype=np.int8)
    scale = rng.random((3, 3)).astype(np.float32)
    zero = rng.integers(-128, 128, (3, 3), dtype=np.int8)
    node = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["c"], axis=1, block_size=4)
    expected = np.empty((3, 10), np.float32)
    for row in range(3):
        for column in range(10):
            block = column // 4
            step = int(values[row, column]) - int(zero[row, block])
            expected[row, column] = np.float32(step) * scale[row, block]
    found = folded(node, {"q": values, "s": scale, "z": zero}, tmp_path)
    np.testing.assert_array_equal(found, expected)


def test_dequantisation_by_axis_and_of_a_whole_tensor(tmp_path):
    values = np.array([[2, 4], [6, 8]], np.uint8)
    by_row = helper.make_node("DequantizeLinear", ["q", "s"], ["c"], axis=0)
    found = folded(by_row, {"q": values, "s": np.array([0.5, 2], np.float32)}, tmp_path)
    np.testing.assert_array_equal(found, [[1, 2], [12, 16]])
    whole = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["c"])
    scalars = {"s": np.array(0.5, np.float32), "z": np.array(4, np.uint8)}
    np.testing.assert_array_equal(folded(whole, {"q": values, **scalars}, tmp_path), [[-1, 0], [1, 2]])


def test_casts_reshapes_and_constants_fold(tmp_path):
    half = helper.make_node("Cast", ["h"], ["c"], to=TensorProto.FLOAT)
    found = folded(half, {"h": np.array([1.5, -2], np.float16)}, tmp_path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [1.5, -2])
    reshape = helper.make_node("Reshape", ["v", "shape"], ["c"])
    weights = {"v": np.arange(6, dtype=np.float32).reshape(2, 3), "shape": np.array([0, -1, 1])}
    assert folded(reshape, weights, tmp_path).shape == (2, 3, 1)
    constant = helper.make_node("Constant", [], ["c"], value_float=2.5)
    assert folded(constant, {}, tmp_path) == 2.5


def test_weights_and_names_that_nothing_reads_are_no_inputs(tmp_path):
    weights = {"c": np.ones(1, np.float32), "unused": np.ones(1, np.float32)}
    nodes = [single_node("Add", "x", "c")]
    model = read(nodes, weights, tmp_path, listed_inputs=("c", "stray"))
    assert [value.name for value in model.graph.input] == ["x"]
    assert list(initializers(model.graph)) == ["c"]


def test_a_fixed_batch_becomes_free(tmp_path, rng):
    path = saved(tiny_recogniser(rng, batch=1), tmp_path / "tiny.onnx")
    session = Session(read_graph(path))
    images = rng.random((5, 3, 8, 8), dtype=np.float32)
    (batched,) = session(images)
    singles = np.concatenate([session(image[None])[0] for image in images])
    np.testing.assert_allclose(batched, singles, atol=1e-6)


def test_free_height_and_width(tmp_path, rng):
    model = make_model(
        [single_node("Conv", "x", "w")],
        {"w": rng.random((2, 3, 1, 1), dtype=np.float32)},
        input_shape=(1, 3, 8, 8),
        output_shape=(1, 2, 8, 8),
    )
    session = Session(read_graph(saved(model, tmp_path / "tiny.onnx"), free="image"))
    assert session(np.zeros((1, 3, 5, 9), np.float32))[0].shape == (1, 2, 5, 9)


@pytest.mark.parametrize("kept", [0, 1, 100, -30])
def test_a_file_cut_short_is_refused(kept, tmp_path, rng):
    path = tmp_path / "short.onnx"
    path.write_bytes(tiny_recogniser(rng).SerializeToString()[:kept])
    with pytest.raises(
        WeightsError, match=r"short\.onnx is (cut short|empty) or no ONNX model; fetch it again"
    ):
        read_graph(path)


def test_what_is_no_network_is_refused(tmp_path):
    path = tmp_path / "notes.onnx"
    path.write_text("not a network")
    with pytest.raises(WeightsError, match=r"notes\.onnx is cut short or no ONNX model"):
        read_graph(path)
    with pytest.raises(WeightsError, match=r"there is no file .*absent\.onnx"):
        read_graph(tmp_path / "absent.onnx")


def test_weights_in_a_file_beside_it(tmp_path, rng):
    model, path = tiny_recogniser(rng), tmp_path / "tiny.onnx"
    whole = initializers(model.graph)["fc"]
    onnx.save(model, str(path), save_as_external_data=True, location="tiny.data", size_threshold=0)
    np.testing.assert_array_equal(initializers(read_graph(path).graph)["fc"], whole)
    (tmp_path / "tiny.data").unlink()
    with pytest.raises(WeightsError, match=r"keeps its weights in a file beside it .*tiny\.data"):
        read_graph(path)


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ((1, 3, 128, 128), TensorProto.FLOAT, r"an input of \(n, 3, 128, 128\), expected \(n, 3, 112, 112\)"),
        (("n", "h", 3, 112), TensorProto.FLOAT, r"an input of \(n, n, 3, 112\), expected \(n, 3, 112, 112\)"),
        (("n", 1, 112, 112), TensorProto.FLOAT, r"an input of \(n, 1, 112, 112\)"),
        (("n", 37632), TensorProto.FLOAT, r"an input of \(n, 37632\)"),
        (
            ("n", 112, 112, 3),
            TensorProto.FLOAT,
            r"channels last \(NHWC\).* expected \(n, 3, 112, 112\): export",
        ),
        (("n", 3, 112, 112), TensorProto.UINT8, "takes UINT8 values, expected FLOAT"),
    ],
)
def test_an_input_against_the_contract_is_refused(shape, kind, message, tmp_path):
    model = make_model([single_node("Identity", "x")], {}, input_shape=shape, output_shape=None)
    model.graph.input[0].type.tensor_type.elem_type = kind
    path = saved(model, tmp_path / "odd.onnx")
    with pytest.raises(WeightsError, match=message):
        read_crop_graph(path, InputSpec())


@pytest.mark.parametrize("shape", [(1, 3, 112, 112), ("n", 3, "h", "w"), ("n", "c", 112, 112)])
def test_an_input_that_fits_the_contract_will_do(shape, tmp_path):
    model = make_model([single_node("Relu", "x")], {}, input_shape=shape, output_shape=None)
    assert read_crop_graph(saved(model, tmp_path / "fits.onnx"), InputSpec()).graph.node


def test_two_data_inputs_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="expected one input, the image, got: x, second"):
        read([single_node("Add", "x", "second")], {}, tmp_path, listed_inputs=("second",))


def test_the_input_file_is_left_alone(tmp_path, rng):
    path = saved(tiny_recogniser(rng, batch=1), tmp_path / "tiny.onnx")
    before = path.read_bytes()
    read_graph(path)
    assert path.read_bytes() == before
    assert onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
