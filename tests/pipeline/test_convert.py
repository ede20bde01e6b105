from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import QualityScores
from fiqa.io.store import read_scores, write_scores
from fiqa.io.tables import read_table
from fiqa.pipeline.convert import Convert


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "s.parquet"
    values = QualityScores(np.array(["imgs/a/1.jpg", "imgs/b/1.jpg"]), np.array([0.1, 1 / 3]), "m")
    write_scores(path, values, columns={"score100": np.array([7, 90])})
    return path


def convert(scores: Path, output: Path, **settings: object) -> Path:
    Convert(scores=scores, output=output, **settings).execute(lambda *_: None)
    return output


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.parquet", "t.txt"])
def test_there_and_back(scores: Path, tmp_path: Path, name: str) -> None:
    found, wanted = read_scores(convert(scores, tmp_path / name)), read_scores(scores)
    np.testing.assert_array_equal(found.sample_ids, wanted.sample_ids)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert found.method == ("t" if name == "t.txt" else "m")


def test_as_ofiq(scores: Path, tmp_path: Path) -> None:
    path = convert(scores, tmp_path / "o.csv", form="ofiq", root="imgs/")
    assert path.read_text().splitlines()[1] == "a/1.jpg;0.100000;7"
    assert read_table(path).column("score100").tolist() == [7, 90]


def test_root(scores: Path, tmp_path: Path) -> None:
    found = read_scores(convert(scores, tmp_path / "t.csv", root="imgs"))
    assert found.sample_ids.tolist() == ["a/1.jpg", "b/1.jpg"]
    with pytest.raises(DataError, match=r"s\.parquet: --root imgs/a is not the beginning of imgs/b/1\.jpg"):
        convert(scores, tmp_path / "t.csv", root="imgs/a")


def test_what_is_refused(scores: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"a table of OFIQ is a \.csv file, got .*o\.parquet"):
        convert(scores, tmp_path / "o.parquet", form="ofiq")
    with pytest.raises(SettingsError, match=r"must end in one of \.parquet, \.csv, \.json"):
        convert(scores, tmp_path / "o.xlsx")
