from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from fiqa.core.errors import MissingDependencyError, SettingsError, WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.models.layouts import LAYOUTS
from fiqa.models.recognisers import RECOGNISERS, load_recogniser, load_torch_recogniser
from official import OFFICIAL, random_state
from onnx_models import brightness, quantised, saved, tiny_recogniser

TINY = InputSpec(size=8)
ONNX = ("sface", "arcface_mbf", "dlib_resnet")


def test_the_registry_holds_the_recognisers_alone():
    checkpoints = ("arcface", "cosface", "elasticface", "curricularface", "adaface", "magface")
    assert RECOGNISERS.names == (*ONNX, *checkpoints)
    assert RECOGNISERS.get("dlib_resnet").spec == InputSpec(size=150, crop="dlib")


def test_a_network_of_your_own(tmp_path, rng):
    name = f"onnx:{saved(tiny_recogniser(rng, batch=1), tmp_path / 'mine.onnx')}"
    fast, differentiable = load_recogniser(name, contract=TINY), load_torch_recogniser(name, contract=TINY)
    assert fast.name == differentiable.name == "mine"
    crops = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_allclose(differentiable.embed(crops), fast.embed(crops), rtol=1e-4, atol=1e-3)


def test_a_network_of_your_own_needs_a_contract(tmp_path):
    with pytest.raises(SettingsError, match=r"onnx:mine\.onnx needs a contract \(size, crop"):
        load_recogniser("onnx:mine.onnx")
    with pytest.raises(SettingsError, match=r"onnx:mine\.onnx names its file: give no further path"):
        load_recogniser("onnx:mine.onnx", contract=TINY, path=tmp_path)


def test_a_registered_one_has_its_own_contract():
    with pytest.raises(SettingsError, match="recogniser sface has its own contract; give one with onnx:PATH"):
        load_recogniser("sface", contract=TINY)


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(SettingsError, match="no recogniser is named 'sfase'; did you mean sface"):
        load_torch_recogniser("sfase")


def test_a_detector_is_no_recogniser():
    with pytest.raises(SettingsError, match="no recogniser is named 'yunet'"):
        load_recogniser("yunet")


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"torch is needed to .*: pip install 'fiqa\[lab\]'"):
        load_torch_recogniser("sface")


def test_a_wrong_file_under_a_registered_name(tmp_path, rng):
    path = saved(tiny_recogniser(rng), tmp_path / "arcface_mbf.onnx")
    with pytest.raises(WeightsError, match=r"weights arcface_mbf: .* has SHA-256 .*, expected 9cc6e4a7"):
        load_recogniser("arcface_mbf", path=path)


def test_sface_gives_the_same_through_both_runners(rng):
    crops = rng.integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    fast, differentiable = load_recogniser("sface"), load_torch_recogniser("sface")
    assert fast.dimension == 128
    np.testing.assert_allclose(differentiable.embed(crops), fast.embed(crops), atol=1e-4)
    trunk, _ = differentiable.before_embedding()
    assert trunk(differentiable.prepare(crops)).shape == (2, 50176)


def test_a_network_of_integers_has_no_gradient(tmp_path):
    """Quantised on the way: it runs in onnxruntime and cannot run in torch."""
    path = saved(quantised(), tmp_path / "int8.onnx")
    assert load_recogniser(f"onnx:{path}", contract=TINY).dimension == 192
    with pytest.raises(
        WeightsError,
        match=r"int8\.onnx cannot run in torch: .*QuantizeLinear computes with integers and has no gradient",
    ):
        load_torch_recogniser(f"onnx:{path}", contract=TINY)


@pytest.mark.parametrize("load", [load_recogniser, load_torch_recogniser])
def test_what_does_not_fit_the_contract_is_the_same_error_in_both(load, tmp_path, rng):
    name = f"onnx:{saved(tiny_recogniser(rng), tmp_path / 'tiny.onnx')}"
    with pytest.raises(WeightsError, match=r"takes an input of \(n, 3, 8, 8\), expected \(n, 3, 112, 112\)"):
        load(name, contract=InputSpec())
    light = f"onnx:{saved(brightness(), tmp_path / 'light.onnx')}"
    with pytest.raises(
        WeightsError, match="recogniser light gives one number a crop: this is a quality model"
    ):
        load(light, contract=TINY)


@pytest.mark.parametrize("load", [load_recogniser, load_torch_recogniser])
def test_a_size_fixed_inside_the_network_is_refused(load, tmp_path, rng):
    """The input claims to be free in height and width, the linear layer is not."""
    model = tiny_recogniser(rng)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"free_{axis}"
    name = f"onnx:{saved(model, tmp_path / 'tiny.onnx')}"
    with pytest.raises(WeightsError, match=r"not take (crops|an input) of shape \(2, 3, 10, 10\)"):
        load(name, contract=InputSpec(size=10))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ONNX)
def test_parity_and_gradients_on_real_faces(name, data_root, lfw_crops):
    path = None if name == "sface" else data_root / "models"
    fast, differentiable = load_recogniser(name, path=path), load_torch_recogniser(name, path=path)
    crops = lfw_crops(fast.spec.crop)
    assert np.abs(differentiable.embed(crops) - fast.embed(crops)).max() < 1e-4
    pixels = differentiable.prepare(crops).requires_grad_()
    differentiable.module(pixels).square().sum().backward()
    assert (pixels.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """MagFace and CR-FIQA files; the first can be used, the second has no memory for its values."""
    folder = tmp_path_factory.mktemp("checkpoints")
    content = {"state_dict": random_state("magface-iresnet18"), "arch": "iresnet18", "epoch": 25}
    torch.save(content, folder / "magface_iresnet18.pth")
    shapes = OFFICIAL["cr-fiqa-iresnet50"]
    torch.save({key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}, folder / "crfiqa.pth")
    return folder


def test_a_checkpoint_by_name_and_by_file(checkpoints, monkeypatch, rng):
    """Another depth than the record's will do; FIQA_MODELS names the folder that holds the recorded file."""
    crops = rng.integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    path = checkpoints / "magface_iresnet18.pth"
    by_file = load_recogniser(f"torch:{path}")
    by_name = load_torch_recogniser("magface", path=path)
    assert (by_file.name, by_name.name) == ("magface_iresnet18", "magface")
    assert by_file.spec == by_name.spec == RECOGNISERS.get("magface").spec
    embeddings = by_name.embed(crops)
    assert embeddings.shape == (2, 512)
    np.testing.assert_allclose(by_file.embed(crops), embeddings, rtol=1e-3, atol=1e-3)
    swapped = InputSpec(std=255.0)
    other = load_recogniser(f"torch:{path}", contract=swapped)
    assert other.spec == swapped
    np.testing.assert_allclose(other.embed(crops[..., ::-1]), embeddings, rtol=1e-3, atol=1e-3)
    with pytest.raises(WeightsError, match="of magface; arcface has arcface-iresnet18"):
        load_recogniser("arcface", path=path)


def test_a_recorded_checkpoint_is_looked_for_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FIQA_MODELS", str(tmp_path))
    (tmp_path / "CurricularFace_Backbone.pth").write_text("no checkpoint")
    with pytest.raises(WeightsError, match=r"CurricularFace_Backbone\.pth is no checkpoint"):
        load_recogniser("curricularface")
    with pytest.raises(WeightsError, match=r"weights adaface are absent: put adaface_ir101_ms1mv2"):
        load_recogniser("adaface")


def test_a_quality_checkpoint_is_no_recogniser(checkpoints):
    for load in (load_recogniser, load_torch_recogniser):
        with pytest.raises(WeightsError, match="cr-fiqa-iresnet50: it is a quality model and no"):
            load(f"torch:{checkpoints / 'crfiqa.pth'}")


def test_a_file_is_named_once(tmp_path):
    with pytest.raises(SettingsError, match=r"torch:a\.pth names its file: give no further path"):
        load_recogniser("torch:a.pth", path=tmp_path)
    with pytest.raises(WeightsError, match=r"there is no weights file at a\.pth"):
        load_recogniser("torch:a.pth")


def test_records_of_checkpoints_have_the_contract_of_their_layout():
    records = [record for record in RECOGNISERS if record.layout]
    assert len(records) == 6
    for record in records:
        layout = LAYOUTS.get(record.layout)
        assert (record.spec, layout.kind) == (layout.spec, "recogniser")
        assert record.filename in layout.files
