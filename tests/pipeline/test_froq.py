"""Layers are found on a recogniser of one's own, and the method takes them from the file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from fiqa.cli import app
from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import FaceCrops
from fiqa.io.images import write_image
from fiqa.io.store import read_json, read_scores, write_json
from fiqa.methods.froq import Froq, search_layers
from fiqa.models.recognisers import load_torch_recogniser
from fiqa.pipeline.models import build_method, read_contract, read_method_settings
from onnx_models import tiny_recogniser

CARD = "size = 8\nmean = 127.5\nstd = 127.5\n"


def fiqa(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def files(tmp_path, rng):
    """Twelve crops of 8 x 8 pixels, a network for them and its card."""
    images = rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    for row, image in enumerate(images):
        write_image(tmp_path / "crops" / f"{row:02d}.png", image)
    onnx.save(tiny_recogniser(rng), tmp_path / "net.onnx")
    (tmp_path / "card.toml").write_text(CARD)
    own = ("--aligned", "--recogniser", f"onnx:{tmp_path / 'net.onnx'}", "--contract", tmp_path / "card.toml")
    return tmp_path, images, own


def test_layers_go_from_stage_to_method(files):
    folder, images, own = files
    found = folder / "layers.json"
    assert fiqa("froq", folder / "crops", "-o", found, *own, "--seed", 2).exit_code == 0
    recogniser = load_torch_recogniser(
        f"onnx:{folder / 'net.onnx'}", contract=read_contract(folder / "card.toml")
    )
    expected = search_layers(recogniser, FaceCrops(images), seed=2)
    card = read_json(found)
    assert card["settings"]["layers"] == list(expected.layers)
    assert (card["recogniser"], card["crops"], card["agreement"]) == ("net", 12, expected.agreement)
    scores = folder / "scores.csv"
    words = ("--method", "froq", "--method-settings", found, *own)
    assert fiqa("score", folder / "crops", "-o", scores, *words).exit_code == 0
    by_hand = Froq(recogniser, layers=expected.layers).score(FaceCrops(images))
    np.testing.assert_allclose(read_scores(scores).values, by_hand, rtol=1e-6)


def test_the_draw_is_seeded_and_bounded(files):
    folder, _, own = files
    first = [fiqa("froq", folder / "crops", "-o", folder / f"{n}.json", *own, "--count", 10) for n in "ab"]
    assert [result.exit_code for result in first] == [0, 0]
    assert read_json(folder / "a.json")["settings"] == read_json(folder / "b.json")["settings"]
    assert read_json(folder / "a.json")["crops"] == 10
    with pytest.raises(DataError, match="at least 10 crops to find layers, got 4"):
        fiqa("froq", folder / "crops", "-o", folder / "c.json", *own, "--count", 4)
    with pytest.raises(SettingsError, match="count must be a whole number of at least 1, got 0"):
        fiqa("froq", folder / "crops", "-o", folder / "c.json", *own, "--count", 0)


def test_settings_written_by_hand_reach_the_method(files):
    folder, _, _ = files
    write_json(folder / "m.json", {"settings": {"steps": 3}})
    method = build_method(
        "faceqan",
        recogniser=f"onnx:{folder / 'net.onnx'}",
        contract=folder / "card.toml",
        settings=folder / "m.json",
    )
    assert method.steps == 3
    assert read_method_settings(None, method="faceqan") == {}


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"method": "ser_fiq", "settings": {}}, "m.json holds settings for method ser_fiq, not froq"),
        ({"recogniser": "sface", "settings": {}}, "m.json holds settings for recogniser sface, not net"),
        ({"layers": ["a"]}, "m.json must hold an object named settings, got layers"),
        ({}, "must hold an object named settings, got nothing"),
    ],
)
def test_settings_for_something_else_are_refused(tmp_path, card, message):
    write_json(tmp_path / "m.json", card)
    with pytest.raises(SettingsError, match=message):
        read_method_settings(tmp_path / "m.json", method="froq", recogniser="net")


def test_a_trained_model_takes_no_method_settings(files):
    folder, _, _ = files
    write_json(folder / "m.json", {"settings": {}})
    (folder / "model").mkdir()
    words = ("--model", folder / "model", "--method-settings", folder / "m.json")
    with pytest.raises(SettingsError, match="go with --method"):
        fiqa("score", folder / "crops", "-o", folder / "s.csv", *words)
