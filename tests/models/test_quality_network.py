from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError, WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.core.registry import Registry
from fiqa.models import quality_network
from fiqa.models import weights as records
from fiqa.models.crop_network import CropNetwork
from fiqa.models.quality_network import QUALITY_MODELS, QualityNetwork, load_quality_network
from fiqa.models.weights import QUALITY, RECORDS, WeightsRecord
from onnx_models import brightness, saved, tiny_recogniser

SPEC = InputSpec(size=8)


@pytest.mark.parametrize("flat", [False, True])
def test_one_number_a_crop(flat, tmp_path, rng):
    """The tiny network says how bright a crop is; its output may be (n, 1) or (n,)."""
    network = load_quality_network(saved(brightness(flat=flat), tmp_path / "light.onnx"), contract=SPEC)
    images = rng.integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)
    scores = network.score(images)
    assert (network.name, network.spec) == ("light", SPEC)
    assert scores.dtype == np.float64
    assert scores == pytest.approx(images.mean(axis=(1, 2, 3)), rel=1e-5)
    assert network.score(images[:0]).shape == (0,)
    assert pickle.loads(pickle.dumps(network)).score(images) == pytest.approx(scores)


def test_anything_that_runs_will_do():
    run = CropNetwork("first pixel", SPEC, run=lambda batch: batch[:, 0, 0, 0], gives="score")
    network = QualityNetwork("first pixel", run)
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1] = 9
    assert network.score(images).tolist() == [0, 9]


def test_a_recogniser_is_no_quality_model(tmp_path, rng):
    path = saved(tiny_recogniser(rng), tmp_path / "tiny.onnx")
    with pytest.raises(WeightsError, match="quality model tiny gives 6 numbers a crop: this is a recogniser"):
        load_quality_network(path, contract=SPEC)


def test_crops_of_another_size_are_refused(tmp_path):
    network = load_quality_network(saved(brightness(), tmp_path / "light.onnx"), contract=SPEC)
    with pytest.raises(DataError, match=r"crops must be \(n, 8, 8, 3\), got \(1, 9, 9, 3\)"):
        network.score(np.zeros((1, 9, 9, 3), np.uint8))


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(SettingsError, match=r"light\.onnx needs a contract \(size, crop"):
        load_quality_network(saved(brightness(), tmp_path / "light.onnx"))
    with pytest.raises(
        WeightsError, match=r"notes\.txt is no quality model of a known kind; there are: ONNX"
    ):
        load_quality_network(tmp_path / "notes.txt", contract=SPEC)


@pytest.fixture
def known(tmp_path, monkeypatch):
    """The path of a known model `light`, in the folder that FIQA_MODELS names."""
    path = saved(brightness(), tmp_path / "light.onnx")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record = WeightsRecord("light", QUALITY, "", filename="light.onnx", sha256=digest, spec=SPEC)
    for module, table in ((records, "RECORDS"), (quality_network, "QUALITY_MODELS")):
        monkeypatch.setattr(module, table, Registry("quality model", (record,)))
    monkeypatch.setenv("FIQA_MODELS", str(tmp_path))
    return path


def test_a_known_model_is_found_by_name_and_has_its_own_contract(known):
    assert load_quality_network(Path("light")).spec == SPEC
    assert load_quality_network(Path("light"), contract=SPEC).spec == SPEC
    with pytest.raises(SettingsError, match="quality model light has its own contract"):
        load_quality_network(Path("light"), contract=InputSpec())


def test_an_altered_file_of_a_known_model_names_both_digests(known):
    expected = hashlib.sha256(known.read_bytes()).hexdigest()
    known.write_bytes(known.read_bytes() + b"?")
    found = hashlib.sha256(known.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match=rf"weights light: .* has SHA-256 {found}, expected {expected}"):
        load_quality_network(Path("light"))


def test_a_name_that_is_not_known_is_answered_with_near_ones():
    with pytest.raises(SettingsError, match="no quality model is named 'edifiqa_t'; did you mean ediffiqa_t"):
        load_quality_network(Path("edifiqa_t"))


def test_records_of_quality_models():
    assert QUALITY_MODELS.names == tuple(f"ediffiqa_{name}" for name in ("t", "s", "m", "l", "t_zoo"))
    digests = [record.sha256 for record in RECORDS if record.sha256]
    assert len(set(digests)) == len(digests)
    for record in QUALITY_MODELS:
        assert record.spec == InputSpec(mean=127.5, std=127.5)
        assert record.url.endswith(record.filename)
