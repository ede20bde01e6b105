"""Distilling from real faces, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands import fiqa
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import InputSpec, silent
from fiqa.io.crops import CropFolder
from fiqa.io.store import read_scores
from fiqa.models.checkpoint import load_regressor, state_digest
from fiqa.pipeline.distil import Distil
from fiqa.pipeline.export import Export

pytestmark = pytest.mark.faces
QUICK = {"student": "student-0.1", "variants": 1, "epochs": 2, "batch_size": 8, "validation_fraction": 0.34}


@pytest.fixture(scope="module")
def crops(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half-degraded crops of three subjects."""
    folder = tmp_path_factory.mktemp("distil")
    for subject in ("s1", "s2", "s3"):
        shutil.copytree(photos / subject, folder / "photos" / subject)
    fiqa("crop", folder / "photos", "-o", folder / "crops", "--degrade", "0.5")
    return folder / "crops"


def test_a_student_of_two_teachers_scores_like_any_trained_model(crops: Path, tmp_path: Path) -> None:
    fiqa("score", crops, "-o", tmp_path / "norm.parquet", "--method", "embedding_norm")
    fiqa(
        *("train", crops, "--labels", tmp_path / "norm.parquet", "-o", tmp_path / "teacher"),
        *("--layers", "head", "--epochs", 1, "--batch-size", 8, "--validation-fraction", 0.34),
    )
    settings = [word for name, value in QUICK.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    fiqa(
        *("distil", "--crops", crops, "--teacher", tmp_path / "teacher", "--teacher", "sface"),
        *("--inherit", "sface", "-o", tmp_path / "student", *settings),
    )
    assert sorted(path.name for path in (tmp_path / "student").iterdir()) == [
        "header.json",
        "held_out.csv",
        "log.jsonl",
        "regressor.pt",
    ]
    header = json.loads((tmp_path / "student" / "header.json").read_text())["provenance"]
    assert set(header["inputs"]) == {"crops[0]", "teacher[0]"}
    record = load_regressor(tmp_path / "student" / "regressor.pt")[1]
    assert record.recogniser == "student-0.1"
    assert record.label_method == "embedding_norm and embedding norm of sface"
    fiqa("score", crops, "--model", tmp_path / "student", "-o", tmp_path / "scores.parquet")
    scores = read_scores(tmp_path / "scores.parquet")
    assert len(scores) == len(CropFolder.open(crops))
    assert 0 < scores.values.min() < scores.values.max() < 1


def test_an_export_finds_the_crops_that_a_student_learnt_from(crops: Path, tmp_path: Path) -> None:
    Distil(crops=(crops,), teacher=("sface",), output=tmp_path / "s", **QUICK).execute(silent)  # type: ignore[arg-type]
    stage = Export(model=tmp_path / "s", output=tmp_path / "model.onnx")
    assert stage._crops(InputSpec()).folder == crops


def test_a_killed_run_goes_on_to_the_same_student(crops: Path, tmp_path: Path) -> None:
    def stage(name: str) -> Distil:
        return Distil(crops=(crops,), teacher=("sface",), output=tmp_path / name, **QUICK)  # type: ignore[arg-type]

    stage("whole").execute(lambda done, total: None)
    calls: list[Any] = []

    def kill(done: int, total: int) -> None:
        calls.append((done, total))
        if total > 5 and done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage("killed").execute(kill)
    assert not (tmp_path / "killed").exists()
    stage("killed").execute(lambda done, total: None)
    digests = [
        state_digest(load_regressor(tmp_path / name / "regressor.pt")[0]) for name in ("whole", "killed")
    ]
    assert digests[0] == digests[1]


def test_a_student_may_go_on_from_another(crops: Path, tmp_path: Path) -> None:
    def stage(name: str, **more: Any) -> dict[str, torch.Tensor]:
        chosen = {"crops": (crops,), "teacher": ("sface",), "output": tmp_path / name, **QUICK, **more}
        Distil(**chosen).execute(lambda done, total: None)
        return load_regressor(tmp_path / name / "regressor.pt")[0].backbone.state_dict()

    first = stage("first")
    then = stage("then", inherit=str(tmp_path / "first"), learning_rate=1e-12)
    other = stage("other", learning_rate=1e-12)
    weights = [name for name, tensor in first.items() if tensor.dim() == 4]
    assert weights
    assert all(torch.allclose(then[name], first[name], atol=1e-9) for name in weights)
    assert not any(torch.allclose(other[name], first[name], atol=1e-9) for name in weights)


def test_a_variant_depends_on_its_sample_and_the_seed_alone(crops: Path) -> None:
    stage = Distil(crops=(crops,), teacher=("sface",), output=Path("o"), seed=4)
    other = Distil(crops=(crops,), teacher=("sface",), output=Path("o"), seed=5)
    image = CropFolder.open(crops).load(slice(0, 1)).images[0]
    first = stage._vary(image, "s1/1.png", number=1)
    np.testing.assert_array_equal(first, stage._vary(image, "s1/1.png", number=1))
    changes = [
        stage._vary(image, "s1/1.png", number=2),
        stage._vary(image, "a", number=1),
        other._vary(image, "s1/1.png", number=1),
    ]
    assert all(not np.array_equal(first, change) for change in changes)


def test_what_cannot_be_distilled_is_said(crops: Path, tmp_path: Path) -> None:
    def run(**settings: Any) -> None:
        chosen = {"crops": (crops,), "teacher": ("sface",), "output": tmp_path / "o", **settings}
        Distil(**chosen).execute(lambda done, total: None)

    with pytest.raises(SettingsError, match=r"turned and toned in \[0, 1\], got -1, 0.5 and 0.5"):
        run(variants=-1)
    with pytest.raises(SettingsError, match=r"turned and toned in \[0, 1\], got 3, 0.5 and 1.5"):
        run(variants=3, toned=1.5)
    with pytest.raises(SettingsError, match=r"second_look must be 0 or more and .*, got -1 and 0.0"):
        run(second_look=-1)
    with pytest.raises(SettingsError, match=r"separation in \[0, 1\], got 0.0 and 1.5"):
        run(separation=1.5)
    with pytest.raises(SettingsError, match=r"'sfaec'.*sface"):
        run(teacher=("sfaec",))
    with pytest.raises(SettingsError, match="student-WIDTH"):
        run(student="mobilenet")
    with pytest.raises(DataError, match=r"reads what does not exist: .*none \(crops\)"):
        run(crops=(tmp_path / "none",))
    with pytest.raises(DataError, match=r"s1/1\.png"):
        run(crops=(crops, crops), variants=0)
