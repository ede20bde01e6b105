from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest

from fiqa.core.errors import DataError
from fiqa.core.protocols import InputSpec
from fiqa.deploy.card import Card


def test_there_and_back_through_json(card):
    text = json.dumps(card.to_dict(), allow_nan=False)
    again = Card.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    for item in fields(Card):
        if item.name not in ("scale", "calibration"):
            assert getattr(again, item.name) == getattr(card, item.name)
    assert json.loads(text)["input"] == {
        "name": "image",
        "shape": ["n", 3, 16, 16],
        "type": "float32",
        "range": [0, 255],
        "colour": "rgb",
        "crop": "arcface",
        "size": 16,
    }
    bare = replace(card, calibration=None)
    assert Card.from_dict(bare.to_dict()).calibration is None


def test_columns_are_what_scale_and_calibration_say(card):
    columns = card.columns([0.0, 5.0, 50.0])
    assert list(columns) == ["score100", "percentile", "expected_fnmr"]
    assert columns["score100"].tolist() == [0, 4, 50]
    assert columns["expected_fnmr"] == pytest.approx([0.4, 0.3, 0.2])
    assert list(replace(card, calibration=None).columns([1.0])) == ["score100", "percentile"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "this is no card of a model"),
        ({"version": 2}, "has version 2, this package reads up to 1: upgrade"),
        ({"version": "1"}, "has version 1, this"),
        ({"input": {"size": 16}}, "malformed: KeyError"),
        ({"input": {"size": 16, "crop": "odd"}}, "malformed: SettingsError"),
        ({"template": [1]}, "malformed: TypeError"),
        ({"calibration": {"table": {}}}, "malformed: TypeError"),
        ({"calibration": {"table": []}}, "malformed: AttributeError"),
        ({"limits": None}, "malformed: TypeError"),
        ({"precision": "int4"}, "precision float32, float16, int8, got 'int4'"),
        ({"name": ""}, "a card needs a name"),
        ({"scale": {}}, "the scale is malformed"),
    ],
)
def test_what_is_no_card_is_refused(card, change, message):
    with pytest.raises(DataError, match=message):
        Card.from_dict({**card.to_dict(), **change})


@pytest.mark.parametrize("name", ["sha256", "scale", "input", "limits"])
def test_a_missing_entry_is_named(card, name):
    facts = card.to_dict()
    del facts[name]
    with pytest.raises(DataError, match=f"the card lacks {name}; run `fiqa export` again"):
        Card.from_dict(facts)


def test_normalisation_outside_of_the_graph_is_refused(card):
    with pytest.raises(DataError, match="takes RGB values from 0 to 255"):
        replace(card, spec=InputSpec(size=16, mean=127.5))
