from __future__ import annotations

import io
import os
import random
import sys
from pathlib import Path

import pytest

from fiqa.core.errors import DataError
from fiqa.io.inputs import Inputs, stamp
from fiqa.io.samples import readable, walk, walk_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos of one name in two folders."""
    for name in ("a/1.jpg", "a/deep/2.PNG", "a/notes.txt", "b/1.jpg", "b/.hidden.jpg", "c[1].jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["a"], [("1.jpg", "a/1.jpg"), ("deep/2.PNG", "a/deep/2.PNG")]),
        (["./a/"], [("1.jpg", "a/1.jpg"), ("deep/2.PNG", "a/deep/2.PNG")]),
        (["b", "a"], ["b/1.jpg", "a/1.jpg", "a/deep/2.PNG"]),
        (["a", "a/1.jpg", "./a//1.jpg"], ["a/1.jpg", "a/deep/2.PNG"]),
        (["*/1.jpg"], ["a/1.jpg", "b/1.jpg"]),
        (["**/*.jpg"], ["a/1.jpg", "b/1.jpg", "c[1].jpg"]),
        (["[a]"], ["a/1.jpg", "a/deep/2.PNG"]),
        (["c[1].jpg"], ["c[1].jpg"]),
        (["a/notes.md"], ["a/notes.md"]),
        (["*.gif", "b"], ["*.gif", "b/1.jpg"]),
    ],
)
def test_words(here: Path, words: list[str], found: list) -> None:
    pairs = [one if isinstance(one, tuple) else (one, one) for one in found]
    assert list(Inputs.of(words)) == pairs


def test_lists(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list.txt").write_bytes(b"\xef\xbb\xbfa/1.jpg\r\n\n  \nb\ngone \xff.jpg")
    assert [path for _, path in Inputs.of(["list.txt"])] == ["a/1.jpg", "b/1.jpg", "gone \udcff.jpg"]
    assert [name for name, _ in Inputs.of(["list.txt"])][-1] == r"gone \xff.jpg"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"b\na/1.jpg\n")))
    inputs = Inputs.of(["-", Path("c[1].jpg")])
    assert [path for _, path in inputs] == ["b/1.jpg", "a/1.jpg", "c[1].jpg"]
    assert list(inputs) == list(inputs)


def test_batches(here: Path) -> None:
    inputs = Inputs.of(["a", "b"])
    sizes = [len(one) for one in inputs.batches(2)]
    assert sizes == [2, 1]
    (whole,) = inputs.batches()
    assert whole.paths.tolist() == ["a/1.jpg", "a/deep/2.PNG", "b/1.jpg"]
    with pytest.raises(DataError, match=r"no image in an empty list; in folders names that end in \.jpg"):
        list(Inputs.of([]).batches())
    Path("none").mkdir()
    with pytest.raises(DataError, match="no image in none;"):
        list(Inputs.of(["none"]).batches())


def test_the_stamp_tells_changed_files(here: Path) -> None:
    def now() -> str:
        (samples,) = Inputs.of(["a", "gone.jpg"]).batches()
        return stamp(samples)

    first = now()
    assert now() == first
    os.utime("a/1.jpg", ns=(1, 1))
    second = now()
    Path("gone.jpg").write_bytes(b"")
    assert len({first, second, now()}) == 3


def test_walking_gives_the_order_of_sorted_paths(tmp_path: Path) -> None:
    letters = random.Random(0)
    for _ in range(200):
        parts = ["".join(letters.choices("ab-.z0", k=letters.randint(1, 2))) for _ in range(3)]
        path = tmp_path.joinpath(*parts[: letters.randint(1, 3)])
        if not path.exists() and all(not parent.is_file() for parent in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    files = [
        path.relative_to(tmp_path).as_posix()
        for path in tmp_path.rglob("*")
        if path.is_file() and not any(part[0] == "." for part in path.relative_to(tmp_path).parts)
    ]
    assert len(files) > 30
    assert walk_files(tmp_path) == sorted(files)


def test_a_closed_folder_is_an_image_that_cannot_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def guarded(path: str):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert [path for _, path in Inputs.of(["a"])] == ["a/1.jpg", "a/deep"]
    assert [(name, error and error.strerror) for name, error in walk(Path("a"))] == [
        ("1.jpg", None),
        ("deep", "Permission denied"),
        ("notes.txt", None),
    ]


@pytest.mark.slow
def test_deep_folders_do_not_exhaust_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    depth = min(1100, sys.getrecursionlimit() + 100)
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    Path("x.jpg").write_bytes(b"")
    os.chdir(tmp_path)
    assert [name.count("/") for name in walk_files(tmp_path)] == [depth]
    for _ in range(depth):  # pytest's own clean-up is recursive
        os.chdir("d")
    Path("x.jpg").unlink()
    for _ in range(depth):
        os.chdir("..")
        Path("d").rmdir()


def test_readable() -> None:
    assert readable("ä/日.jpg") == "ä/日.jpg"
    assert readable(os.fsdecode(b"caf\xe9\xc3\xa9")) == "caf\\xe9é"
