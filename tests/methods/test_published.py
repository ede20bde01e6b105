"""The official networks behind four methods, on files of a tiny network that the table is made to know."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError, SettingsError, WeightsError
from fiqa.core.protocols import InputSpec, QualityMethod
from fiqa.core.registry import Registry
from fiqa.core.types import FaceCrops
from fiqa.methods import METHODS, load_method
from fiqa.methods.embedding_norm import EmbeddingNorm
from fiqa.models import layouts, published
from fiqa.models.layouts import Layout
from networks import quality_network, tiny_recogniser
from official import random_state
from onnx_models import brightness, saved

BGR = InputSpec(size=16, colour="bgr", mean=100.0, std=50.0)
METHODS_OF_FILES = ("cr_fiqa", "sdd_fiqa", "diffiqa_r", "ediffiqa")


def row(name: str, method: str, **more: object) -> Layout:
    settings = {"kind": "quality", "entries": 10, "spec": BGR, "licence": "none"} | more
    return Layout(name=name, target="networks:quality_network", summary="", method=method, **settings)


@pytest.fixture(params=METHODS_OF_FILES)
def name(request):
    return request.param


@pytest.fixture
def table(monkeypatch):
    """Puts rows in the place of the published layouts."""

    def put(*rows):
        for module in (layouts, published):
            monkeypatch.setattr(module, "LAYOUTS", Registry("layout", rows))

    return put


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return quality_network().eval()


@pytest.fixture
def file(network, tmp_path):
    torch.save({"state_dict": network.state_dict()}, tmp_path / "official.pth")
    return tmp_path / "official.pth"


@pytest.fixture
def crops(rng):
    return FaceCrops(rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8))


def expected(network, images, spec):
    with torch.inference_mode():
        return network(torch.from_numpy(spec.prepare(images)))[:, 0].numpy()


def test_scores_are_what_the_network_says(name, table, network, file, crops):
    table(row("tiny", name))
    method = load_method(name, weights=file)
    assert isinstance(method, QualityMethod)
    assert (method.name, method.spec) == (name, BGR)
    scores = method.score(crops)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected(network, crops.images, BGR), rtol=1e-4, atol=1e-5)
    assert method.score(crops.rows(slice(3, 4)))[0] == pytest.approx(scores[3], rel=1e-4)
    with pytest.raises(DataError, match=r"crops must be \(n, 16, 16, 3\)"):
        method.score(FaceCrops(np.zeros((1, 112, 112, 3), np.uint8)))


def test_a_contract_wins_over_the_layout(name, table, network, file, crops):
    table(row("tiny", name))
    own = InputSpec(size=16, std=255.0)
    found = load_method(name, weights=file, contract=own).score(crops)
    np.testing.assert_allclose(found, expected(network, crops.images, own), rtol=1e-4, atol=1e-5)


def test_an_onnx_file_is_read_like_the_checkpoint(name, table, tmp_path):
    table(row("tiny", name))
    path = saved(brightness(size=16), tmp_path / "converted.onnx")
    images = np.zeros((2, 16, 16, 3), np.uint8)
    images[1] = 200
    assert load_method(name, weights=path).score(FaceCrops(images)) == pytest.approx([-2, 2])


def test_a_file_of_another_method_or_a_recogniser_is_refused(name, table, file):
    table(row("other", "their_method"), row("mine", name, wrappers=("mine.",)))
    with pytest.raises(WeightsError, match=rf"has the layout other of their_method; {name} has mine"):
        load_method(name, weights=file)
    table(row("other", "arcface", kind="recogniser"), row("mine", name, wrappers=("mine.",)))
    with pytest.raises(WeightsError, match="layout other: it is a recogniser and no quality model"):
        load_method(name, weights=file)


def test_what_is_needed_and_absent_is_told(name, tmp_path):
    with pytest.raises(WeightsError, match=r"there is no weights file at .*gone\.pth"):
        load_method(name, weights=tmp_path / "gone.pth")
    with pytest.raises(SettingsError, match=f"method {name} has no setting 'size'"):
        load_method(name, weights=Path("x.pth"), settings={"size": 3})
    if not METHODS.get(name).weights:
        files = ", ".join(file for layout in layouts.layouts_of(name) for file in layout.files)
        with pytest.raises(SettingsError, match=re.escape(f"method {name} needs weights: {files}")):
            load_method(name)


def test_the_smallest_official_network_end_to_end(tmp_path, rng):
    """eDifFIQA(T) with random weights: both its forms of a file, and the network run directly."""
    state = random_state("ediffiqa-mobilefacenet")
    torch.save(state, tmp_path / "ediffiqaT.pth")
    method = load_method("ediffiqa", weights=tmp_path / "ediffiqaT.pth")
    module = layouts.LAYOUTS.get("ediffiqa-mobilefacenet").build()
    module.load_state_dict(state)
    images = rng.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    scores = method.score(FaceCrops(images))
    assert np.ptp(scores) > 0
    np.testing.assert_allclose(scores, expected(module.eval(), images, method.spec), rtol=1e-4, atol=1e-5)


def test_magface_is_the_norm_of_any_recogniser(crops):
    recogniser = tiny_recogniser()
    method = load_method("magface", recogniser)
    assert method.name == "magface"
    np.testing.assert_array_equal(method.score(crops), EmbeddingNorm(recogniser).score(crops))
