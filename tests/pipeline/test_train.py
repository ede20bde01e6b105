"""`fiqa train` on made-up crops: the published recipe, lists, labels of other images, logs, processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from commands import fiqa
from conftest import REPOSITORY
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import FaceCrops
from fiqa.io.crops import CropFolder, write_crops
from fiqa.io.images import write_image
from fiqa.io.provenance import Provenance
from fiqa.io.store import read_json
from fiqa.io.tables import Table, read_table
from fiqa.pipeline.degradation import degradation_behind
from fiqa.pipeline.settings import read_toml
from fiqa.pipeline.train import Train
from fiqa.train.settings import PRESETS

PUBLISHED = REPOSITORY / "configs" / "published-2023.toml"
BRIEF = ("--layers", "head", "--epochs", 1, "--batch-size", 8, "--validation-fraction", "0.25")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images of 6 subjects with their crops, untouched and degraded, embeddings of the latter, labels."""
    folder, rng = tmp_path_factory.mktemp("work"), np.random.default_rng(3)
    levels, lines = rng.uniform(40, 215, 24), ["sample_id,score"]
    for row, level in enumerate(levels):
        name = f"s{row // 4}/{row % 4}.png"
        image = np.clip(rng.normal(level, 20, (112, 112, 3)), 0, 255).astype(np.uint8)
        write_image(folder / "photos" / name, image)
        lines.append(f"{name},{level}")
    (folder / "labels.csv").write_text("\n".join(lines))
    for name, share in (("clean", 0), ("degraded", 0.5)):
        fiqa("crop", folder / "photos", "--aligned", "--degrade", share, "--seed", 1, "-o", folder / name)
    fiqa("embed", folder / "degraded", "-o", folder / "emb")
    return folder


def train(
    work: Path, output: Path, *words: object, crops: str = "degraded", labels: str = "labels.csv"
) -> None:
    fiqa("train", work / crops, "--labels", work / labels, "-o", output, *words)


def test_the_published_recipe_is_a_file() -> None:
    stage = Train.from_mapping({**read_toml(PUBLISHED), "crops": "c", "labels": "l", "output": "o"})
    assert stage.resolved() == replace(PRESETS["published"], head="linear")


def test_the_published_recipe_runs_as_written_and_options_win(work: Path, tmp_path: Path) -> None:
    recipe = ("--recogniser", "sface", "--config", PUBLISHED)
    train(work, tmp_path / "regressor", *recipe, "--validation-fraction", "0.2")
    resolved = read_json(tmp_path / "regressor" / "header.json")["provenance"]["settings"]["resolved"]
    assert resolved == asdict(replace(PRESETS["published"], head="linear", validation_fraction=0.2))


def test_listed_samples_are_validated_on(work: Path, tmp_path: Path) -> None:
    names = [f"s{subject}/{number}.png" for subject in (1, 4) for number in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["sample_id", *names]))
    train(work, tmp_path / "r", *BRIEF, "--validation", tmp_path / "list.csv")
    assert "validation" in read_json(tmp_path / "r" / "header.json")["provenance"]["inputs"]
    (tmp_path / "part.csv").write_text("\n".join(["sample_id", *names[1:]]))
    with pytest.raises(DataError, match="subjects in training and in validation: s1; list all samples"):
        train(work, tmp_path / "q", *BRIEF, "--validation", tmp_path / "part.csv")
    assert not (tmp_path / "q").exists()


def test_scores_from_cached_features_are_the_same_table(work: Path, tmp_path: Path) -> None:
    train(work, tmp_path / "r", *BRIEF)

    def scored(*words: object) -> Table:
        fiqa("score", work / "degraded", "-o", tmp_path / "s.csv", *words)
        return read_table(tmp_path / "s.csv")

    plain = scored("--model", tmp_path / "r")
    level = float(np.median(plain.numbers("score")))
    for more in ((), ("--min-score", level)):
        plain = scored("--model", tmp_path / "r", *more)
        cached = scored("--model", tmp_path / "r", "--cache", tmp_path / "cache", *more)
        assert list(cached.columns) == list(plain.columns)
        for name in ("sample_id", "path", "face"):
            np.testing.assert_array_equal(cached.column(name), plain.column(name))
        np.testing.assert_allclose(cached.numbers("score"), plain.numbers("score"), atol=2e-3)
    with pytest.raises(SettingsError, match="--cache is for a --model of `fiqa train`"):
        scored("--method", "classical", "--cache", tmp_path / "cache")


def test_what_is_no_folder_of_fitting_crops_is_named(work: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"photos has no header.json, so it holds no crops; .*fiqa crop"):
        train(work, tmp_path / "r", crops="photos")
    samples = CropFolder.open(work / "clean").samples
    for convention, message in [
        ("dlib", "holds dlib crops and arcface crops are needed: .* --crop arcface"),
        ("arcface", r"crops must be \(n, 112, 112, 3\), got \(\d+, 150, 150, 3\); crop the photos first"),
    ]:
        with write_crops(tmp_path / convention, crop=convention, provenance=Provenance("crops")) as writer:
            writer.add(samples, FaceCrops(np.zeros((24, 150, 150, 3), np.uint8)))
        with pytest.raises(DataError, match=message):
            train(work, tmp_path / "r", crops=str(tmp_path / convention))
    assert not (tmp_path / "r").exists()


def test_labels_without_a_difference_are_refused(work: Path, tmp_path: Path) -> None:
    ids = CropFolder.open(work / "clean").samples.sample_ids
    (tmp_path / "flat.csv").write_text("\n".join(["sample_id,score", *(f"{name},1" for name in ids)]))
    with pytest.raises(DataError, match="labels of flat are constant over the 24 crops"):
        train(work, tmp_path / "r", labels=str(tmp_path / "flat.csv"))


def degradation(path: Path) -> str | None:
    """As recorded in a file or a folder."""
    if path.is_dir():
        return read_json(path / "header.json")["provenance"]["settings"].get("degradation")
    made_by = read_table(path).provenance
    assert made_by is not None
    return made_by.settings.get("degradation")


def test_labels_of_images_with_another_degradation_are_refused(work: Path, tmp_path: Path) -> None:
    for crops in ("clean", "degraded"):
        fiqa("score", work / crops, "--method", "classical", "-o", tmp_path / f"{crops}.parquet")
    train(work, tmp_path / "r", *BRIEF, labels=str(tmp_path / "degraded.parquet"))
    message = (
        r"clean\.parquet was made from images with degradation none, but .*degraded has degradation "
        r"share 0\.5, seed 1; .* make it anew from these crops"
    )
    with pytest.raises(DataError, match=message):
        train(work, tmp_path / "q", *BRIEF, labels=str(tmp_path / "clean.parquet"))
    with pytest.raises(DataError, match=r"emb was made from images with degradation share 0\.5, seed 1"):
        fiqa(
            "train",
            work / "clean",
            "--objective",
            "pcnet",
            "--embeddings",
            work / "emb",
            "-o",
            tmp_path / "q",
        )
    assert not (tmp_path / "q").exists()


def test_the_degradation_goes_from_file_to_file(work: Path, tmp_path: Path) -> None:
    known = "share 0.5, seed 1"
    labels, optimised = tmp_path / "labels.parquet", tmp_path / "optimised.json"
    fiqa("label", work / "emb", "--method", "mated_similarity", "-o", labels)
    fiqa("optimize", labels, "--embeddings", work / "emb", "--preset", "recommended", "-o", optimised)
    assert [degradation(path) for path in (work / "emb", labels, optimised)] == [known] * 3
    classical = ("score", work / "photos", "--method", "classical", "-o", tmp_path / "of-aligned.parquet")
    fiqa(*classical, "--aligned")
    assert degradation(tmp_path / "of-aligned.parquet") is None
    assert degradation_behind(work / "photos", photographs=True) == "none"
    assert degradation_behind(work / "labels.csv") is None


def test_validations_go_to_wandb(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Run:
        def __init__(self) -> None:
            self.steps: list[int] = []

        def __enter__(self) -> Run:
            return self

        def __exit__(self, *_: object) -> None:
            self.steps.append(-1)

        def log(self, values: dict[str, float], step: int) -> None:
            assert values["validation_loss"] > 0
            self.steps.append(step)

    run, module, asked = Run(), ModuleType("wandb"), []
    module.init = lambda **options: asked.append(options) or run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    train(work, tmp_path / "r", *BRIEF, "--wandb", "faces")
    log = [json.loads(line) for line in (tmp_path / "r" / "log.jsonl").read_text().splitlines()]
    assert run.steps == [*(line["step"] for line in log), -1]
    assert (asked[0]["project"], asked[0]["name"], asked[0]["config"]["epochs"]) == ("faces", "r", 1)


@pytest.mark.slow
def test_two_processes_leave_the_regressor_of_one(work: Path, tmp_path: Path) -> None:
    """The same up to the order of float32 sums, as tests/train/test_processes.py says."""
    words = ["train", work / "degraded", "--labels", work / "labels.csv", *BRIEF]
    fiqa(*words, "-o", tmp_path / "one")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "fiqa"]
    done = subprocess.run(
        [sys.executable, *map(str, [*launch, *words, "-o", tmp_path / "two"])],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two"}
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        "header.json",
        "held_out.csv",
        "log.jsonl",
        "regressor.pt",
    }
    values = []
    for name in ("one", "two"):
        fiqa("score", work / "clean", "--model", tmp_path / name, "-o", tmp_path / f"{name}.json")
        values.append(read_table(tmp_path / f"{name}.json").numbers("score"))
    np.testing.assert_allclose(values[1], values[0], atol=1e-3)
