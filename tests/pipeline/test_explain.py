"""Stage explain on real faces, as a user runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from commands import fiqa
from fiqa.core.errors import DataError, SettingsError
from fiqa.deploy.scorer import Scorer
from fiqa.io.images import read_image, write_image
from fiqa.io.store import read_failures
from fiqa.methods.classical import Classical
from fiqa.pipeline import explain as stage

pytestmark = pytest.mark.faces

COARSE = ("--patch", 56, "--stride", 56)


def test_one_photo_gives_a_picture_and_what_it_says(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fiqa("explain", photos / "s1" / "1.png", *COARSE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.explained.json", "1.explained.png"]
    assert read_image(tmp_path / "1.explained.png").shape == (916, 1244, 3)
    found = json.loads((tmp_path / "1.explained.json").read_text())
    assert (found["sample_id"], found["method"], found["gradient"]) == ("1.png", "fiqa-s", None)
    (face,) = Scorer().faces(read_image(photos / "s1" / "1.png"))
    assert found["score"] == pytest.approx(face.score, abs=1e-6)
    assert (found["score100"], found["expected_fnmr"]) == (face.score100, pytest.approx(face.expected_fnmr))


def test_a_method_with_gradients_shows_them(photos: Path, tmp_path: Path) -> None:
    words = ("-o", tmp_path / "e.png", "--method", "embedding_norm", *COARSE)
    fiqa("explain", photos / "s1" / "1.png", *words)
    assert read_image(tmp_path / "e.png").shape == (916, 1640, 3)
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["method"] == "embedding_norm · sface"
    assert "score100" not in found
    assert np.shape(found["occlusion"]) == np.shape(found["gradient"]) == (14, 14)
    assert (np.array(found["gradient"]) >= 0).all()
    assert set(found["factors"]["size"]) == {"value", "usual", "level"}


def test_score_and_reasons_are_those_of_the_method(photos: Path, tmp_path: Path) -> None:
    dark = (read_image(photos / "s1" / "1.png") * 0.2).astype(np.uint8)
    write_image(tmp_path / "dark.png", dark)
    fiqa("explain", tmp_path / "dark.png", "-o", tmp_path / "e.png", "--method", "classical", *COARSE)
    fiqa("score", photos, "-o", tmp_path / "s.csv", "--method", "classical")
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["method"] == Classical.name
    assert found["gradient"] is None
    assert found["reasons"][0]["words"] == "too dark"
    fiqa("explain", photos / "s1" / "1.png", "-o", tmp_path / "f.png", "--method", "classical", *COARSE)
    row = next(line for line in (tmp_path / "s.csv").read_text().splitlines() if line.startswith("s1/1.png"))
    assert json.loads((tmp_path / "f.json").read_text())["score"] == pytest.approx(float(row.split(",")[3]))


def test_without_torch_the_gradient_is_left_out(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "find_spec", lambda name: None)
    words = ("-o", tmp_path / "e.png", "--method", "embedding_norm", *COARSE)
    fiqa("explain", photos / "s1" / "1.png", *words)
    assert json.loads((tmp_path / "e.json").read_text())["gradient"] is None
    assert read_image(tmp_path / "e.png").shape == (916, 1244, 3)


def test_a_folder_and_a_photo_more_and_what_cannot_be_used(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    shutil.copytree(photos / "s2", folder / "s2", ignore=lambda _, names: sorted(names)[2:])
    (folder / "broken.png").write_text("no picture")
    write_image(folder / "wall.png", np.full((80, 80, 3), 90, np.uint8))
    shutil.copy(photos / "s1" / "1.png", tmp_path / "s1.png")
    several = (folder, tmp_path / "s1.png", tmp_path / "gone.png", "-o", tmp_path / "out", *COARSE)
    fiqa("explain", *several, "--method", "classical")
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    faces = {"in/s2/1.png", "in/s2/10.png", "s1.png"}
    pictures = {f"{face}.{suffix}" for face in faces for suffix in ("png", "json")}
    assert written == {*pictures, "failures.csv", "header.json"}
    failures = read_failures(tmp_path / "out" / "failures.csv")
    assert {item.sample_id: item.reason for item in failures} == {
        "gone.png": "missing",
        "in/broken.png": "not_an_image",
        "in/wall.png": "no_face",
    }
    monkeypatch.chdir(tmp_path)
    fiqa("explain", folder / "*" / "1*.png", "--method", "classical", *COARSE)
    assert {path.name for path in Path("explained").glob("*.png")} == {"1.png.png", "10.png.png"}
    fiqa("explain", folder / "s2", "-o", tmp_path / "out", "--method", "classical", *COARSE)
    assert not (tmp_path / "out" / "s2").exists()


def test_all_faces_of_a_photo_get_a_picture_each(photos: Path, tmp_path: Path) -> None:
    one, two = (np.kron(read_image(photos / f"s{n}" / "1.png"), np.ones((2, 2, 1), np.uint8)) for n in (1, 2))
    write_image(tmp_path / "both.png", np.concatenate([one, two], axis=1))
    options = ("--method", "classical", "--face", "all", *COARSE)
    fiqa("explain", tmp_path / "both.png", "-o", tmp_path / "out", *options)
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == ["both.png#1.png", "both.png.png"]
    with pytest.raises(SettingsError, match="names one picture, and there may be several"):
        fiqa("explain", tmp_path / "both.png", "-o", tmp_path / "x.png", *options)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["{broken}", "-o", "{out}.png"], DataError, "nothing to explain in .*is no JPEG"),
        (["{wall}", "-o", "{out}.png"], DataError, "nothing to explain in .*no face"),
        (["{wall}", "{broken}", "-o", "{out}"], DataError, "no usable face in 2 images; wall.png: no face"),
        (["{photo}", "-o", "{out}.jpg"], SettingsError, r"out\.jpg must end in \.png, or name a folder"),
        (["{gone}", "-o", "{out}.png"], DataError, "does not exist"),
        (["-o", "{out}.png"], SettingsError, "stage explain needs photos"),
        (["{photo}", "--method", "pcnet", "-o", "{out}.png"], SettingsError, "cannot score"),
        (["{photo}", "--model", "{photo}"], SettingsError, "either --method or --model"),
        (["{photo}", "--patch", "200", "-o", "{out}.png"], SettingsError, "patch <= 112"),
        (["{photo}", "-o", "{folder}"], DataError, "would be lost"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    words: list[str], error: type[Exception], message: str, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_text("no picture")
    write_image(tmp_path / "wall.png", np.full((80, 80, 3), 90, np.uint8))
    places = {
        "photo": photos / "s1" / "1.png",
        "folder": photos,
        "broken": tmp_path / "broken.png",
        "wall": tmp_path / "wall.png",
        "gone": tmp_path / "gone.png",
        "out": tmp_path / "out",
    }
    method = [] if "--method" in words else ["--method", "classical"]
    with pytest.raises(error, match=message):
        fiqa("explain", *method, *(word.format(**places) for word in words))
    assert {path.name for path in tmp_path.iterdir()} == {"broken.png", "wall.png"}


def test_a_light_install_explains_without_heavy_packages(photos: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'pyarrow', 'scipy', 'matplotlib', 'sklearn'): sys.modules[name] = None\n"
        "from fiqa.pipeline import explain\n"
        "explain.find_spec = lambda name: None\n"
        "from pathlib import Path\n"
        "photo, out = map(Path, sys.argv[1:])\n"
        "explain.Explain(photos=(photo,), output=out, patch=56, stride=56).execute(lambda *_: None)\n"
    )
    words = [sys.executable, "-W", "error", "-c", code, photos / "s1" / "1.png", tmp_path / "e.png"]
    subprocess.run([str(word) for word in words], check=True)
    assert (tmp_path / "e.png").stat().st_size > 10_000
