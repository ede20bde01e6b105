from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError, SettingsError, WeightsError
from fiqa.core.protocols import QualityMethod
from fiqa.core.types import FaceCrops
from fiqa.deploy import model as deployed
from fiqa.deploy.model import SHIPPED, Deployed, card_file, load_deployed, shipped_models
from networks import SPEC


@pytest.fixture
def file(tmp_path, exported, card):
    path = tmp_path / "tiny.onnx"
    path.write_bytes(exported)
    (tmp_path / "card.json").write_text(json.dumps(card.to_dict()))
    return path


def test_it_scores_as_the_regressor(file, regressor, images):
    method = load_deployed(file)
    assert isinstance(method, QualityMethod)
    assert (method.name, method.spec.size) == ("tiny", 16)
    scores = method.score(FaceCrops(images))
    with torch.inference_mode():
        expected = regressor(torch.from_numpy(SPEC.prepare(images))).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert scores.dtype == np.float64
    assert list(method.columns(scores)) == ["score100", "percentile", "expected_fnmr"]
    assert method.score(FaceCrops(images[:0])).shape == (0,)
    with pytest.raises(DataError, match=r"crops must be \(n, 16, 16, 3\)"):
        method.score(FaceCrops(np.zeros((1, 112, 112, 3), np.uint8)))


def test_the_own_card_goes_before_the_shared_one(file):
    assert card_file(file).name == "card.json"
    own = file.with_suffix(".card.json")
    own.write_text("{}")
    assert card_file(file) == own
    with pytest.raises(WeightsError, match=r"tiny\.card\.json is no card of a model: this is no card"):
        load_deployed(file)


def test_a_model_without_its_card_is_refused(file, exported, card):
    (file.parent / "card.json").unlink()
    with pytest.raises(WeightsError, match=r"has no card: expected tiny\.card\.json or card\.json beside it"):
        load_deployed(file)
    (file.parent / "card.json").write_text("[]")
    with pytest.raises(WeightsError, match="is no card of a model"):
        load_deployed(file)
    (file.parent / "card.json").write_text("{")
    with pytest.raises(WeightsError, match="is no card of a model"):
        load_deployed(file)


def test_a_card_of_another_file_is_refused(file, exported):
    file.write_bytes(exported + b"\0\0")
    with pytest.raises(
        WeightsError, match=r"the card of tiny is for a model of SHA-256 .*keep a model and its card"
    ):
        load_deployed(file)


def test_a_card_of_another_input_is_refused(exported, card):
    facts = card.to_dict()
    facts["input"]["size"] = 20
    with pytest.raises(WeightsError, match="does not take an input of shape"):
        Deployed(exported, type(card).from_dict(facts))


def test_names_and_paths(file, monkeypatch, tmp_path):
    with pytest.raises(WeightsError, match=r"there is no model at .*gone\.onnx; name an ONNX file"):
        load_deployed(tmp_path / "gone.onnx")
    monkeypatch.setattr(deployed, "SHIPPED", tmp_path / "none")
    with pytest.raises(SettingsError, match="no model is shipped with this copy of fiqa; give --model"):
        load_deployed()
    monkeypatch.setattr(deployed, "SHIPPED", file.parent)
    assert load_deployed().name == load_deployed("tiny").name == "tiny"
    with pytest.raises(SettingsError, match="no shipped model 'big'; shipped: tiny"):
        load_deployed("big")


def test_scoring_loads_neither_torch_nor_onnx(file):
    heavy = "{'torch', 'onnx', 'pyarrow', 'scipy', 'pandas', 'sklearn'}"
    code = (
        "import sys, pathlib; from fiqa.deploy.model import load_deployed\n"
        "from fiqa.faces.detect import Detector\n"
        f"load_deployed(pathlib.Path({str(file)!r})); Detector(); assert not {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_shipped_models_are_small_and_whole():
    assert shipped_models()
    for name, path in shipped_models().items():
        method = load_deployed(path)
        assert method.name == name
        assert path.stat().st_size <= 4_000_000
        assert method.card.metrics
        assert method.card.robustness
        assert {file.suffix for file in SHIPPED.iterdir()} <= {".onnx", ".json", ""}
