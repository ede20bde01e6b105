from __future__ import annotations

import importlib.metadata
import logging
import sys
import types
from dataclasses import dataclass

import pytest

from fiqa.core.errors import SettingsError
from fiqa.core.registry import Entry, Registry


@dataclass(frozen=True)
class Dish(Entry):
    hot: bool = False


@pytest.fixture
def dishes(monkeypatch):
    """A table of one dish, and entry points of which one is good; what was asked for is noted."""
    module = types.ModuleType("kitchen")
    module.SOUP = Dish("soup", "math:pi", "a plug-in", hot=True)
    module.PLAIN = Entry("plain", "math:pi", "not a dish")
    monkeypatch.setitem(sys.modules, "kitchen", module)
    values = {
        "soup": "kitchen:SOUP",
        "broth": "kitchen:SOUP",
        "plain": "kitchen:PLAIN",
        "gone": "no_kitchen:SOUP",
        "bread": "kitchen:SOUP",
    }
    points = [importlib.metadata.EntryPoint(name, value, "food") for name, value in values.items()]
    asked = []

    def entry_points(*, group):
        asked.append(group)
        return [point for point in points if point.group == group]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return Registry("dish", (Dish("bread", "math:e", "in the table"),), group="food"), asked


def test_another_package_adds_a_row(dishes):
    table, asked = dishes
    assert table.get("bread").summary == "in the table"
    assert asked == []
    assert table.get("soup").hot
    assert table.load("soup") == pytest.approx(3.14159, abs=1e-4)
    assert table.names == ("bread",)
    assert len(table) == 1


def test_everything_leaves_out_what_cannot_be_had(dishes, caplog):
    table, _ = dishes
    with caplog.at_level(logging.WARNING):
        assert [row.name for row in table.everything()] == ["bread", "soup"]
    assert [line.partition(":")[0] for line in caplog.messages] == [
        *("left out dish broth", "left out dish gone", "left out dish plain"),
    ]


def test_what_is_wrong_is_said(dishes):
    table, _ = dishes
    with pytest.raises(
        SettingsError, match=r"gone of an unknown package cannot be loaded from no_kitchen:SOUP"
    ):
        table.get("gone")
    with pytest.raises(SettingsError, match=r"kitchen:PLAIN of .* must be a Dish named 'plain', got Entry\("):
        table.get("plain")
    with pytest.raises(SettingsError, match=r"must be a Dish named 'broth', got Dish\(name='soup'"):
        table.get("broth")
    with pytest.raises(SettingsError, match=r"no dish is named 'soop'; did you mean soup\?"):
        table.get("soop")


def test_a_table_without_a_group_asks_nobody(dishes):
    _, asked = dishes
    table = Registry("dish", (Dish("bread", "math:e", "x"),))
    with pytest.raises(SettingsError, match="there are: bread"):
        table.get("soup")
    assert [row.name for row in table.everything()] == ["bread"]
    assert asked == []


def test_two_rows_of_one_name():
    with pytest.raises(SettingsError, match="two dish entries share a name"):
        Registry("dish", (Dish("a", "x:y", "1"), Dish("a", "x:y", "2")))
