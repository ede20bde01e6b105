from __future__ import annotations

import pickle

import numpy as np
import pytest
from onnx import helper

from fiqa.core.errors import DataError, WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.models.onnx_session import OnnxRecogniser, Session
from onnx_models import brightness, make_model, single_node, tiny_recogniser

SPEC = InputSpec(size=8, mean=127.5, std=127.5)


@pytest.fixture
def recogniser(rng):
    return OnnxRecogniser("tiny", SPEC, model=tiny_recogniser(rng), threads=1)


def crops(count, rng):
    return rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def test_every_row_depends_on_its_crop_alone(recogniser, rng):
    images = crops(70, rng)
    vectors = recogniser.embed(images)
    assert vectors.shape == (70, recogniser.dimension) == (70, 6)
    assert vectors.dtype == np.float32
    order = rng.permutation(70)
    np.testing.assert_allclose(recogniser.embed(images[order]), vectors[order], atol=1e-5)


def test_no_crops_give_no_rows(recogniser, rng):
    assert recogniser.embed(crops(0, rng)).shape == (0, 6)


def test_the_contract_prepares_the_input(rng):
    """A network that returns the mean of each channel shows what it was given."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        single_node("Flatten", "pooled"),
    ]
    model = make_model(nodes, {}, input_shape=("n", 3, 8, 8), output_shape=("n", 3))
    image = np.empty((1, 8, 8, 3), np.uint8)
    image[:] = (0, 100, 255)
    rgb = OnnxRecogniser("rgb", InputSpec(size=8), model=model)
    np.testing.assert_allclose(rgb.embed(image), [[0, 100, 255]])
    bgr = OnnxRecogniser("bgr", InputSpec(size=8, colour="bgr", mean=100, std=50), model=model)
    np.testing.assert_allclose(bgr.embed(image), [[3.1, 0, -2]], rtol=1e-6)


def test_crops_of_another_size_are_refused(recogniser):
    with pytest.raises(DataError, match=r"crops must be \(n, 8, 8, 3\), got \(2, 9, 9, 3\)"):
        recogniser.embed(np.zeros((2, 9, 9, 3), np.uint8))


def test_a_pickled_recogniser_gives_the_same_rows(recogniser, rng):
    images = crops(3, rng)
    copy = pickle.loads(pickle.dumps(recogniser))
    assert (copy.name, copy.spec, copy.dimension) == ("tiny", SPEC, 6)
    np.testing.assert_array_equal(copy.embed(images), recogniser.embed(images))


def test_an_output_that_is_no_embedding_is_refused():
    model = make_model(
        [single_node("Relu", "x")], {}, input_shape=("n", 3, 8, 8), output_shape=("n", 3, 8, 8)
    )
    with pytest.raises(
        WeightsError,
        match=r"recogniser bad: expected one row a crop, \(2, dimension\) for 2 crops, got \(2, 3, 8, 8\)",
    ):
        OnnxRecogniser("bad", SPEC, model=model)


def test_a_quality_model_is_no_recogniser():
    with pytest.raises(
        WeightsError, match="recogniser light gives one number a crop: this is a quality model"
    ):
        OnnxRecogniser("light", SPEC, model=brightness())


def test_a_network_that_cannot_run_is_refused():
    model = make_model([single_node("Conv", "x", "nowhere")], {}, input_shape=("n", 3), output_shape=("n", 3))
    with pytest.raises(WeightsError, match="onnxruntime cannot run this model"):
        Session(model)


def test_a_network_that_does_not_fit_its_contract_is_refused(rng):
    with pytest.raises(WeightsError, match=r"does not take an input of shape \(2, 3, 112, 112\)"):
        OnnxRecogniser("tiny", InputSpec(), model=tiny_recogniser(rng))


def test_a_batch_fixed_inside_the_network_is_refused():
    weights = {"shape": np.array([1, -1])}
    model = make_model(
        [single_node("Reshape", "x", "shape")], weights, input_shape=("n", 3, 8, 8), output_shape=None
    )
    with pytest.raises(WeightsError, match=r"for 2 crops, got \(1, 384\)"):
        OnnxRecogniser("fixed", SPEC, model=model)
