from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import fiqa
from deployed import Bright, write_model
from fiqa.core.errors import DataError, SettingsError
from fiqa.deploy import scorer as module
from fiqa.deploy.scorer import Scorer
from fiqa.faces.align import align


@pytest.fixture
def make(tmp_path, exported, card, monkeypatch):
    monkeypatch.setattr(module, "Detector", Bright)
    path = write_model(tmp_path, exported, card)
    return lambda **settings: Scorer(path, **settings)


@pytest.fixture
def pictures(rng):
    """Black, grey (one face) and bright (two faces)."""
    noise = rng.integers(1, 200, (90, 100, 3), dtype=np.uint8)
    bright = noise.copy()
    bright[0, 0] = 255
    return [np.zeros_like(noise), noise, bright]


def test_faces_are_those_of_the_model_alone(make, pictures):
    scorer = make()
    assert (scorer.name, scorer.card.name) == ("tiny", "tiny")
    assert scorer.faces(pictures[0]) == []
    (face,) = scorer.faces(pictures[2])
    assert face.box == (20, 30, 60, 80)
    assert face.confidence == 0.9
    crop = align(pictures[2], face.landmarks, size=16).crop[None]
    columns = scorer.crops(crop)
    assert list(columns) == ["score", "score100", "percentile", "expected_fnmr"]
    meaning = {name: column[0] for name, column in columns.items()}
    assert {name: getattr(face, name) for name in columns} == meaning
    assert isinstance(face.score100, int)


def test_every_face_of_every_picture(make, pictures):
    scores = make(face="all").score(iter(pictures))
    assert scores.sample_ids == ("1", "2", "2#1")
    assert [(item.sample_id, item.reason) for item in scores.failures] == [("0", "no_face")]
    scorer = make(face="all")
    singly = [face for picture in pictures for face in scorer.faces(picture)]
    assert len(scores) == 3
    for (name, face), other in zip(scores, singly, strict=True):
        assert name in scores.sample_ids
        assert face.box == other.box
        assert face.score == pytest.approx(other.score, abs=1e-6)


def test_files_and_folders(make, pictures, tmp_path):
    folder = tmp_path / "photos" / "ada"
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"")
    scorer = make()
    one = scorer.score(folder / "1.png")
    assert one.sample_ids == (str(folder / "1.png"),)
    found = scorer.score(str(tmp_path / "photos"))
    assert found.sample_ids == ("ada/1.png", "ada/2.png")
    reasons = {item.sample_id: item.reason for item in found.failures}
    assert reasons == {"ada/0.png": "no_face", "ada/3.png": "not_an_image"}
    assert found.faces[0].score == one.faces[0].score
    gone = scorer.score([tmp_path / "gone.png"])
    assert (len(gone), gone.failures[0].reason) == (0, "missing")


def test_tables(make, pictures):
    scores = make(face="all").score(pictures)
    columns = scores.columns
    assert list(columns)[:6] == [
        *("sample_id", "score", "score100", "percentile", "expected_fnmr", "confidence"),
    ]
    assert [columns[f"box_{name}"][1] for name in ("x", "y", "width", "height")] == [20, 30, 40, 50]
    for table in (scores.to_pandas(), scores.to_polars(), scores.to_arrow()):
        assert list(table["sample_id"].to_numpy()) == ["1", "2", "2#1"]
        np.testing.assert_array_equal(table["score"].to_numpy(), columns["score"])
    assert scores.quality.method == "tiny"
    np.testing.assert_array_equal(scores.quality.values, columns["score"])
    nothing = make().score(pictures[:1])
    assert [len(column) for column in nothing.columns.values()] == [0] * 9


def test_chunks_change_nothing(make, pictures, monkeypatch):
    whole = make().score(pictures * 3)
    monkeypatch.setattr(module, "_CHUNK", 2)
    split = make(threads=1).score(pictures * 3)
    assert split.sample_ids == whole.sample_ids == ("1", "2", "4", "5", "7", "8")
    np.testing.assert_allclose(split.columns["score"], whole.columns["score"], atol=1e-6)
    assert split.failures == whole.failures


def test_what_is_refused(make, pictures):
    with pytest.raises(SettingsError, match="face must be one of largest, central, all, got 'best'"):
        make(face="best")
    with pytest.raises(DataError, match="expected files or uint8 RGB arrays, got int at 1"):
        make().score([pictures[1], 5])
    with pytest.raises(DataError, match=r"uint8 RGB image \(h, w, 3\), got float64"):
        make().faces(pictures[1] / 255)
    with pytest.raises(DataError, match=r"uint8 RGB image \(h, w, 3\), got uint8 of shape \(90,\)"):
        make().faces(pictures[1][:, 0, 0])


def test_it_is_found_in_the_package_and_only_then_imported():
    assert fiqa.Scorer is Scorer
    with pytest.raises(AttributeError, match="has no attribute 'Score'"):
        _ = fiqa.Score
    code = "import fiqa, sys; assert not {'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
