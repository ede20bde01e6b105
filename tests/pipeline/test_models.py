"""Cards, and the models of a user's own on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from commands import fiqa
from conftest import REPOSITORY
from fiqa.core.errors import DataError, SettingsError, WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.io.images import write_image
from fiqa.io.store import read_scores
from fiqa.models.recognisers import RECOGNISERS
from fiqa.pipeline.models import build_method, read_contract
from fiqa.pipeline.verify import Verify
from onnx_models import brightness, make_model, saved, single_node, tiny_recogniser

CARD = 'size = 8\ncolour = "rgb"\n'


def card(folder: Path, text: str = CARD) -> Path:
    path = folder / "card.toml"
    path.write_text(text)
    return path


def redness() -> object:
    """An embedding (n, 2) whose direction says how red a crop is."""
    weights = {
        "pick": np.array([[1, 0, 0], [-1, 0, 0]], np.float32).reshape(2, 3, 1, 1),
        "add": np.array([0, 255], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "pick", "add"], ["both"]),
        helper.make_node("GlobalAveragePool", ["both"], ["mean"]),
        single_node("Flatten", "mean"),
    ]
    return make_model(nodes, weights, input_shape=("n", 3, 8, 8), output_shape=("n", 2))


def face(subject: int, number: int) -> str:
    return f"p{subject:02}/{number}.png"


@pytest.fixture
def coloured(tmp_path: Path) -> Path:
    """Aligned images: red says who it is, blue says nothing; and a pair list with folds beside them."""
    rng = np.random.default_rng(0)
    rows = ["first,second,mated,fold"]
    for subject in range(12):
        for number in range(4):
            colour = (20 * subject + rng.integers(0, 5), 100, rng.integers(0, 256))
            write_image(tmp_path / "faces" / face(subject, number), np.full((8, 8, 3), colour, np.uint8))
        for number in range(3):
            reference, stranger = face(subject, number), face((subject + 4 + number) % 12, number)
            rows += [
                f"{reference},{face(subject, number + 1)},1,{subject}",
                f"{reference},{stranger},0,{subject}",
            ]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    return tmp_path / "faces"


def test_the_card_in_configs_is_the_contract_of_its_recogniser() -> None:
    found = read_contract(REPOSITORY / "configs" / "cards" / "arcface.toml")
    assert found == RECOGNISERS.get("arcface_mbf").spec
    assert read_contract(None) is None


def test_a_card_may_give_a_number_a_channel(tmp_path: Path) -> None:
    text = "mean = [123.675, 116.28, 103.53]\nstd = [58.395, 57.12, 57.375]\n"
    expected = InputSpec(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
    assert read_contract(card(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sizes = 8", r"card\.toml is no input card with size, crop, colour, mean, std: .*sizes"),
        ("colour = 'grey'", r"card\.toml is no input card .*unknown crop 'arcface' or colour order 'grey'"),
        ("size = 'big'", r"card\.toml is no input card"),
        ("size", r"card\.toml cannot be read as TOML"),
        ("direction = 'lower'", r"card\.toml is no input card .*direction"),
    ],
)
def test_a_card_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        read_contract(card(tmp_path, text))


@pytest.mark.parametrize(("direction", "best"), [("higher", "p11"), ("lower", "p00")])
def test_a_quality_model_of_your_own(direction: str, best: str, coloured: Path, tmp_path: Path) -> None:
    """The brightness of the image with blue left out: subjects are in rising order of red."""
    for path in coloured.glob("*/*.png"):
        write_image(path, np.full((8, 8, 3), (20 * int(path.parent.name[1:]), 100, 0), np.uint8))
    weights = saved(brightness(), tmp_path / "mine.onnx")
    contract = card(tmp_path, f'{CARD}direction = "{direction}"\n')
    given = ("--method", "onnx", "--weights", weights, "--contract", contract, "--aligned")
    fiqa("score", coloured, *given, "-o", tmp_path / "s.csv")
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert max(rows, key=lambda row: float(row["score"]))["sample_id"].startswith(best)


@pytest.mark.faces
def test_ediffiqa_scores_photographs(photos: Path, tmp_path: Path) -> None:
    weights = saved(brightness(size=112), tmp_path / "mine.onnx")
    fiqa("score", photos / "s1", "--method", "ediffiqa", "--weights", weights, "-o", tmp_path / "s.csv")
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert len(rows) == 10
    assert all(-1 < float(row["score"]) < 1 for row in rows)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["score", "{faces}", "--method", "onnx"], SettingsError, "method onnx needs weights"),
        (["score", "{faces}", "--method", "onnx", "--weights", "{mine}"], SettingsError, "needs a contract"),
        (
            ["score", "{faces}", "--method", "ediffiqa", "--weights", "{mine}"],
            WeightsError,
            r"takes an input of \(n, 3, 8, 8\), expected \(n, 3, 112, 112\)",
        ),
        (
            ["score", "{faces}", "--method", "onnx", "--weights", "ediffiqa_x"],
            SettingsError,
            "no quality model is named 'ediffiqa_x'; did you mean ediffiqa_",
        ),
        (
            ["score", "{faces}", "--method", "onnx", "--weights", "gone.onnx", "--contract", "{card}"],
            WeightsError,
            r"there is no file gone\.onnx",
        ),
        (
            ["score", "{faces}", "--method", "onnx", "--weights", "{tiny}", "--contract", "{card}"],
            WeightsError,
            "quality model tiny gives 6 numbers a crop: this is a recogniser",
        ),
        (
            ["embed", "{faces}", "--recogniser", "onnx:{mine}", "--contract", "{card}"],
            WeightsError,
            "recogniser mine gives one number a crop: this is a quality model",
        ),
        (
            ["verify", "{faces}", "--recogniser", "onnx:{tiny}", "--contract", "{card}", "--pairs", "all"],
            DataError,
            "pairs all have no folds",
        ),
    ],
)
def test_bad_input_is_named(
    words: list[str], error: type[Exception], message: str, coloured: Path, tmp_path: Path
) -> None:
    places = {
        "faces": coloured,
        "card": card(tmp_path),
        "mine": saved(brightness(), tmp_path / "mine.onnx"),
        "tiny": saved(tiny_recogniser(np.random.default_rng(0)), tmp_path / "tiny.onnx"),
    }
    command = [word.format(**places) for word in words]
    with pytest.raises(error, match=message):
        fiqa(*command, "--aligned", "-o", tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_settings_of_a_card_reach_the_method(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="direction must be one of higher, lower, got 'up'"):
        build_method(
            "onnx",
            recogniser="sface",
            weights=saved(brightness(), tmp_path / "mine.onnx"),
            contract=card(tmp_path, f'{CARD}direction = "up"'),
        )


def test_method_settings_reach_a_network_of_weights(coloured: Path, tmp_path: Path) -> None:
    (tmp_path / "turned.json").write_text('{"method": "onnx", "settings": {"direction": "lower"}}')
    network = saved(brightness(), tmp_path / "mine.onnx")
    command = ("score", coloured, "--aligned", "--method", "onnx", "--weights", network)
    command = (*command, "--contract", card(tmp_path))
    fiqa(*command, "-o", tmp_path / "as-is.csv")
    fiqa(*command, "--method-settings", tmp_path / "turned.json", "-o", tmp_path / "turned.csv")
    as_is, turned = (read_scores(tmp_path / f"{name}.csv").values for name in ("as-is", "turned"))
    assert np.ptp(as_is) > 0
    np.testing.assert_array_equal(turned, -as_is)


def verified(faces: Path, contract: Path, **more: object) -> dict[str, object]:
    folder = faces.parent
    weights, output = saved(redness(), folder / "redness.onnx"), folder / f"{contract.stem}.json"
    options = [word for name, value in more.items() for word in (f"--{name}", value)]
    fiqa(
        *("verify", faces, "--pairs", f"csv:{folder / 'pairs.csv'}", "--aligned", "-o", output),
        *("--recogniser", f"onnx:{weights}", "--contract", contract, *options),
    )
    return json.loads(output.read_text())


def test_exchanged_colours_are_noticed(coloured: Path, tmp_path: Path) -> None:
    right = verified(coloured, card(tmp_path), fmr=0.1)
    assert right["as_given"]["accuracy"] > 0.9
    assert right["swapped"]["accuracy"] < 0.8
    assert right["as_given"]["fnmr"] == right["as_given"]["equal_error_rate"] == 0
    assert (right["n_images"], right["n_mated"], right["n_non_mated"], right["fmr"]) == (48, 36, 36, 0.1)
    assert right["warnings"] == right["failures"] == []
    assert right["provenance"]["kind"] == "verification"
    stage = Verify(photos=coloured, pairs="csv:p", fmr=0.1, output=coloured.parent / "card.json")
    accuracy = right["as_given"]["accuracy"]
    assert stage.found() == f"accuracy {accuracy:.2%}, EER 0.00%, FNMR 0.00% at FMR 0.1"
    wrong = verified(coloured, card(tmp_path, 'size = 8\ncolour = "bgr"'), fmr=0.1)
    assert (wrong["as_given"], wrong["swapped"]) == (right["swapped"], right["as_given"])
    assert (
        "redness on pairs.csv: exchanging red and blue sets mated and non-mated pairs further apart"
        in wrong["warnings"][0]
    )
    assert not list(tmp_path.glob(".parts-*"))


def test_only_what_the_list_names_is_embedded_and_failures_are_kept(coloured: Path, tmp_path: Path) -> None:
    (coloured / "p00" / "stranger.png").write_text("no picture, and not on the list")
    (coloured / "p11" / "1.png").write_text("no picture")
    found = verified(coloured, card(tmp_path))
    assert [(item["sample_id"], item["reason"]) for item in found["failures"]] == [
        ("p11/1.png", "not_an_image")
    ]
    assert found["n_dropped"] == 2 + 1 + 1  # twice a mate, once a reference, once a stranger
    assert found["n_mated"] + found["n_non_mated"] == 72 - 4


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("recogniser", "published"), [("sface", 0.9937), ("arcface_mbf", 0.9958), ("dlib_resnet", 0.9892)]
)
def test_accuracy_on_two_folds_of_lfw(
    recogniser: str, published: float, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,200 pairs: within three standard errors (some 0.8 points) of the figure for all ten folds."""
    monkeypatch.setenv("FIQA_MODELS", str(data_root / "models"))
    lines = (data_root / "data" / "lfw" / "protocol" / "pairs.txt").read_text().splitlines()
    (tmp_path / "pairs.txt").write_text("\n".join(["2\t300", *lines[1:1201]]))
    fiqa(
        *("verify", data_root / "data" / "lfw" / "images", "--pairs", f"lfw:{tmp_path / 'pairs.txt'}"),
        *("--recogniser", recogniser, "--face", "central", "-o", tmp_path / "v.json"),
    )
    found = json.loads((tmp_path / "v.json").read_text())
    assert found["as_given"]["accuracy"] == pytest.approx(published, abs=3 * (0.01 * 0.99 / 1200) ** 0.5)
    assert found["warnings"] == []
