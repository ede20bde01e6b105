"""Some of the crops: the first so many of subjects that have as many, or those of the first folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import fiqa, table
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import silent
from fiqa.core.types import FaceCrops, SampleSet
from fiqa.io.crops import write_crops
from fiqa.io.provenance import Provenance
from fiqa.io.store import read_pairs, read_samples
from fiqa.pipeline.part import Part

NAMES = ("a/1", "b/1", "a/2", "c/1", "c/2", "d/1", "c/3", "d/2")


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    names = np.array(NAMES)
    samples = SampleSet(names, np.array([name[0] for name in NAMES]), names)
    with write_crops(tmp_path / "crops", crop="arcface", provenance=Provenance("crops")) as writer:
        writer.add(samples, FaceCrops(np.full((len(names), 112, 112, 3), 90, np.uint8)))
    return tmp_path / "crops"


def test_the_first_crops_of_the_first_subjects_with_enough(crops: Path, tmp_path: Path) -> None:
    Part(crops=crops, subjects=2, images=2, output=tmp_path / "part").run(silent)
    chosen = read_samples(tmp_path / "part" / "crops.csv")
    assert chosen.sample_ids.tolist() == ["a/1", "a/2", "c/1", "c/2"]
    assert chosen.subject_ids.tolist() == ["a", "a", "c", "c"]
    assert chosen.paths is not None
    assert all(Path(path).is_file() for path in chosen.paths)
    with pytest.raises(DataError, match="1 subjects have 3 crops or more, not 2"):
        Part(crops=crops, subjects=2, images=3, output=tmp_path / "none").run(silent)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("given", [{}, {"subjects": 2}, {"images": 2}, {"pairs": "csv:x"}, {"folds": 1}])
def test_half_a_choice_is_refused(given: dict[str, Any], crops: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give --subjects and --images, or --pairs and --folds"):
        Part(crops=crops, output=tmp_path / "none", **given).run(silent)
    assert not (tmp_path / "none").exists()


def test_a_list_of_crops_is_scored_by_the_commands(crops: Path, tmp_path: Path) -> None:
    few, scores = tmp_path / "few", tmp_path / "scores.csv"
    fiqa("part", crops, "--subjects", 2, "--images", 2, "-o", few)
    fiqa("score", few / "crops.csv", "--aligned", "--method", "classical", "-o", scores)
    assert [row["sample_id"] for row in table(scores)] == ["a/1", "a/2", "c/1", "c/2"]


def test_the_first_folds_of_a_list(crops: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("first,second,mated,fold\na/1,a/2,1,0\na/1,d/2,0,0\nc/1,c/2,1,1\n")
    Part(crops=crops, pairs=f"csv:{pairs}", folds=1, output=tmp_path / "part").run(silent)
    assert read_samples(tmp_path / "part" / "crops.csv").sample_ids.tolist() == ["a/1", "a/2", "d/2"]
    kept = read_pairs(tmp_path / "part" / "pairs.csv")
    ids = kept.sample_ids
    named = zip(ids[kept.first].tolist(), ids[kept.second].tolist(), kept.mated.tolist(), strict=True)
    assert list(named) == [("a/1", "a/2", True), ("a/1", "d/2", False)]
    pairs.write_text("first,second,mated\na/1,a/2,1\na/1,d/2,0\n")
    with pytest.raises(SettingsError, match="has no folds to take 1 of"):
        Part(crops=crops, pairs=f"csv:{pairs}", folds=1, output=tmp_path / "none").run(silent)
