"""Scores of other programs and from DataFrames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fiqa.core.errors import DataError
from fiqa.io.foreign import read_list, read_ofiq, write_list, write_ofiq
from fiqa.io.store import read_comparisons, read_samples, read_scores
from fiqa.io.tables import read_table

OFIQ = (
    "Filename;UnifiedQualityScore;HeadPoseYaw;UnifiedQualityScore.scalar;HeadPoseYaw.scalar;\n"
    "../images/a.png;24.329985;-1.250000;63;100\n"
    "../images/b.png;0;44;-1;7\n"
)


def test_a_table_of_ofiq(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(OFIQ)
    scores, table = read_scores(path), read_table(path)
    assert (scores.method, scores.scale) == ("OFIQ", "native")
    assert scores.sample_ids.tolist() == ["../images/a.png", "../images/b.png"]
    assert scores.values.tolist() == [24.329985, 0.0]
    assert list(table.columns) == ["sample_id", "score", "HeadPoseYaw", "score100", "HeadPoseYaw.scalar"]
    assert table.column("score100").tolist() == [63, -1]
    assert table.column("HeadPoseYaw").tolist() == [-1.25, 44.0]
    write_ofiq(tmp_path / "again.csv", table.columns)
    assert (tmp_path / "again.csv").read_text() == OFIQ


def test_names_of_ofiq_where_they_apply(tmp_path: Path) -> None:
    columns = {
        "sample_id": np.array(["a;b.jpg"]),
        "face": np.array([0]),
        "score": np.array([0.5]),
        "score100": np.array([80]),
        "confidence": np.array([0.9]),
    }
    write_ofiq(tmp_path / "o.csv", columns)
    wanted = 'Filename;UnifiedQualityScore;UnifiedQualityScore.scalar;\n"a;b.jpg";0.500000;80\n'
    assert (tmp_path / "o.csv").read_text() == wanted
    assert read_scores(tmp_path / "o.csv").sample_ids.tolist() == ["a;b.jpg"]
    write_ofiq(tmp_path / "o.csv", {name: columns[name] for name in ("sample_id", "score")})
    assert (tmp_path / "o.csv").read_text() == 'Filename;UnifiedQualityScore;\n"a;b.jpg";0.500000\n'


def test_broken_tables_of_ofiq(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text(OFIQ + "c;1\n")
    with pytest.raises(DataError, match=r"o\.csv: 5 cells expected, another count at line 4"):
        read_ofiq(path)
    path.write_text(OFIQ.replace("44", "x"))
    with pytest.raises(DataError, match=r"o\.csv: column HeadPoseYaw must hold numbers: .*'x'"):
        read_ofiq(path)
    path.write_text(OFIQ.splitlines()[0] + "\n")
    assert [len(column) for column in read_ofiq(path).values()] == [0] * 5


@pytest.mark.data
def test_the_conformance_table_comes_back_byte_for_byte(data_root: Path, tmp_path: Path) -> None:
    path = data_root / "data" / "ofiq" / "expected_results.csv"
    columns = read_ofiq(path)
    assert (len(columns), len(columns["sample_id"])) == (57, 28)
    write_ofiq(tmp_path / "o.csv", columns)
    assert (tmp_path / "o.csv").read_bytes() == path.read_bytes()


def test_lists(tmp_path: Path) -> None:
    path = tmp_path / "CRFIQA.txt"
    path.write_text("imgs/a b.jpg 2.25\n\nimgs/c.jpg\t-1e-3\n")
    scores = read_scores(path)
    assert (scores.method, scores.sample_ids.tolist()) == ("CRFIQA", ["imgs/a b.jpg", "imgs/c.jpg"])
    assert scores.values.tolist() == [2.25, -0.001]
    third = {"sample_id": np.array(["x"]), "score": np.array([1 / 3])}
    write_list(path, third)
    assert read_list(path)["score"][0] == 1 / 3
    with pytest.raises(DataError, match=r"cannot hold the line break in 'a\\nb'"):
        write_list(path, {**third, "sample_id": np.array(["a\nb"])})
    for line in ("a.jpg", "a.jpg x", "0.5"):
        path.write_text(f"ok 1\n{line}\n")
        with pytest.raises(DataError, match=r"CRFIQA\.txt: line 2 must be a path and a score, got"):
            read_list(path)


def test_records(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps([{"subject": "s", "path": "s/1.jpg", "quality_scores": {"magface": 20.5}}]))
    assert read_scores(path).values.tolist() == [20.5]
    several = {"path": "1.jpg", "quality_scores": {"magface": 20.5, "crfiqa": 2.0}}
    path.write_text(json.dumps([several]))
    assert read_table(path).column("crfiqa").tolist() == [2.0]
    with pytest.raises(DataError, match="no column 'score'; there are: sample_id, magface, crfiqa"):
        read_scores(path)
    for broken in ({"path": "2.jpg"}, {**several, "quality_scores": {"magface": "?", "crfiqa": 1}}):
        path.write_text(json.dumps([several, broken]))
        with pytest.raises(DataError, match=r"r\.json: each record must have a path and quality_scores"):
            read_table(path)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
def test_frames(make) -> None:
    columns = {"sample_id": ["a", "b"], "subject_id": ["s", "s"], "score": [0.5, 1.5], "method": list("mm")}
    scores = read_scores(make(columns))
    assert (scores.method, scores.sample_ids.tolist(), scores.values.tolist()) == (
        "m",
        ["a", "b"],
        [0.5, 1.5],
    )
    assert read_samples(make(columns)).subject_ids.tolist() == ["s", "s"]
    pairs = {"first": ["a"], "second": ["b"], "mated": [True], "similarity": [0.5]}
    assert read_comparisons(make(pairs)).similarity.tolist() == [0.5]
    with pytest.raises(DataError, match="no column 'sample_id'; there are: first"):
        read_scores(make(pairs))
    with pytest.raises(DataError, match="column sample_id must be text throughout, is not at 1"):
        read_scores(make({**columns, "sample_id": ["a", None]}))
