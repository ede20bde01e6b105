"""What examples/ shows works."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib

import pytest

from commands import fiqa, table
from conftest import REPOSITORY
from fiqa.core.protocols import QualityMethod
from fiqa.methods import METHODS, load_method
from fiqa.pipeline.catalogue import method_rows

PLUGIN = REPOSITORY / "examples" / "plugin"


@pytest.fixture
def plugin(monkeypatch):
    """The example as if it were installed: its module can be imported, its entry points are found."""
    groups = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["entry-points"]
    points = [
        importlib.metadata.EntryPoint(name, value, group)
        for group, values in groups.items()
        for name, value in values.items()
    ]
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda *, group: [point for point in points if point.group == group],
    )


def test_a_method_of_another_package(plugin):
    assert len((PLUGIN / "fiqa_contrast.py").read_text().splitlines()) < 30
    assert METHODS.get("contrast").needs == "nothing"
    assert isinstance(load_method("contrast"), QualityMethod)
    (row,) = [row for row in method_rows() if row["name"] == "contrast"]
    assert json.dumps(row)
    assert row["gives"] == "scores"


@pytest.mark.faces
def test_its_scores(plugin, photos, tmp_path):
    fiqa("score", photos / "s1", "-o", tmp_path / "s.csv", "--method", "contrast")
    rows = table(tmp_path / "s.csv")
    assert len(rows) >= 8
    assert {row["method"] for row in rows} == {"contrast"}
    assert all(0.05 < float(row["score"]) < 1 for row in rows)
