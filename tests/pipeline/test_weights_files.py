"""`fiqa weights inspect`, and official files on the command line."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import fiqa
from fiqa.cli import main
from fiqa.core.errors import WeightsError
from fiqa.io.images import write_image
from fiqa.models.weights import find_weights
from official import random_state
from onnx_models import brightness, saved


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "ediffiqaT.pth"
    torch.save(random_state("ediffiqa-mobilefacenet"), path)
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(3):
        write_image(tmp_path / "faces" / f"{number}.png", rng.integers(0, 256, (112, 112, 3), dtype=np.uint8))
    return tmp_path / "faces"


def test_a_checkpoint_is_described(official: Path) -> None:
    facts = json.loads(fiqa("weights", "inspect", official, "--json"))
    assert (facts["name"], facts["kind"], facts["method"]) == (
        "ediffiqa-mobilefacenet",
        "quality",
        "ediffiqa",
    )
    assert (facts["size"], facts["colour"], facts["mean"], facts["std"]) == (112, "rgb", 127.5, 127.5)
    assert facts["tensors"] == 337
    assert facts["licence"] == "none stated by the authors"
    lines = fiqa("weights", "inspect", official).splitlines()
    assert lines[0].split() == ["name", "ediffiqa-mobilefacenet"]
    assert "tensors  337" in lines


def test_an_onnx_file_is_described(tmp_path: Path) -> None:
    facts = json.loads(fiqa("weights", "inspect", saved(brightness(), tmp_path / "mine.onnx"), "--json"))
    assert facts["name"] == facts["licence"] == ""
    assert facts["inputs"] == {"x": ["n", 3, 8, 8]}
    assert list(facts["outputs"]) == ["y"]
    known = json.loads(fiqa("weights", "inspect", find_weights("sface"), "--json"))
    assert (known["name"], known["licence"]) == ("sface", "Apache-2.0")
    assert list(known["inputs"].values()) == [[1, 3, 112, 112]]


def test_an_unknown_file_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = random_state("ediffiqa-mobilefacenet")
    state.pop("mlp.l2.bias")
    torch.save(state, tmp_path / "t.pth")
    monkeypatch.setattr(sys, "argv", ["fiqa", "weights", "inspect", str(tmp_path / "t.pth")])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "nearest is ediffiqa-mobilefacenet with 337: 1 missing: mlp.l2.bias" in told
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["gone.onnx", "gone.pth"])
def test_an_absent_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no .*gone"):
        fiqa("weights", "inspect", tmp_path / name)


def test_an_official_file_scores(official: Path, faces: Path, tmp_path: Path) -> None:
    given = ("--method", "ediffiqa", "--weights", official, "--aligned", "-o", tmp_path / "s.csv")
    fiqa("score", faces, *given)
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert [row["sample_id"] for row in rows] == ["0.png", "1.png", "2.png"]
    assert len({row["score"] for row in rows}) == 3


def test_magface_takes_its_own_recogniser_unless_another_is_named(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIQA_MODELS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"weights magface are absent: put magface_epoch_00025\.pth into"):
        fiqa("score", faces, "--method", "magface", "--aligned", "-o", tmp_path / "s.csv")
    outputs = []
    for method in ("magface", "embedding_norm"):
        output = tmp_path / f"{method}.csv"
        fiqa("score", faces, "--method", method, "--recogniser", "sface", "--aligned", "-o", output)
        outputs.append([row["score"] for row in csv.DictReader(output.read_text().splitlines())])
    assert outputs[0] == outputs[1]
    content = {"state_dict": random_state("magface-iresnet18")}
    torch.save(content, tmp_path / "magface_epoch_00025.pth")
    fiqa("score", faces, "--method", "magface", "--aligned", "-o", tmp_path / "own.csv")
    own = [row["score"] for row in csv.DictReader((tmp_path / "own.csv").read_text().splitlines())]
    assert own != outputs[0]


def test_a_file_of_the_other_kind_is_told(official: Path, faces: Path, tmp_path: Path) -> None:
    given = ("--aligned", "-o", tmp_path / "s.csv")
    with pytest.raises(WeightsError, match="it is a quality model and no recogniser; score with it"):
        fiqa("embed", faces, "--recogniser", f"torch:{official}", *given)
    with pytest.raises(WeightsError, match="of ediffiqa; cr_fiqa has cr-fiqa-iresnet50, cr-fiqa-iresnet100"):
        fiqa("score", faces, "--method", "cr_fiqa", "--weights", official, *given)
