from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.io.samples import find_images, walk_files


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_ids_subjects_and_order(tmp_path: Path) -> None:
    names = ["bob/2.jpg", "bob/1.JPG", "ada/deep/er/x.webp", "zoe.png", "ada/1.jpeg", "Ärger/ß é.tif"]
    touch(*(tmp_path / name for name in names), tmp_path / "ada" / "notes.txt", tmp_path / "list.csv")
    samples = find_images(tmp_path)
    assert samples.sample_ids.tolist() == sorted(names)
    assert samples.subject_ids.tolist() == ["ada", "ada", "bob", "bob", "zoe.png", "Ärger"]
    assert samples.paths is not None
    assert samples.paths.tolist() == [str(tmp_path / name) for name in sorted(names)]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(
        tmp_path / "a.jpg", tmp_path / "._a.jpg", tmp_path / ".tmp-1-x" / "b.jpg", tmp_path / "s" / ".c.png"
    )
    assert find_images(tmp_path).sample_ids.tolist() == ["a.jpg"]


@pytest.mark.parametrize("names", [[], ["a.txt", "b/c.csv"]])
def test_no_image(tmp_path: Path, names: list[str]) -> None:
    touch(*(tmp_path / name for name in names))
    with pytest.raises(DataError, match=r"holds no image; looked for names that end in \.jpg, \.jpeg"):
        find_images(tmp_path)


def test_not_a_folder(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read as a folder: Not a directory"):
        find_images(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="absent cannot be read as a folder: No such file"):
        find_images(tmp_path / "absent")


def test_loops_of_links_end(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg", tmp_path / "b" / "2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "x").symlink_to(tmp_path / "a")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert walk_files(tmp_path) == ["a/1.jpg", "b/2.jpg", "round"]
    assert find_images(tmp_path).sample_ids.tolist() == ["a/1.jpg", "b/2.jpg"]


def test_linked_folders_and_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path / "store" / "1.jpg", tmp_path / "other.jpg")
    (tmp_path / "view").mkdir()
    (tmp_path / "view" / "ada").symlink_to(tmp_path / "store")
    (tmp_path / "view" / "bob.jpg").symlink_to(tmp_path / "other.jpg")
    assert find_images(tmp_path / "view").sample_ids.tolist() == ["ada/1.jpg", "bob.jpg"]


def test_a_folder_that_cannot_be_read_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "a" / "1.jpg", tmp_path / "closed" / "2.jpg")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with caplog.at_level(logging.WARNING):
        assert find_images(tmp_path).sample_ids.tolist() == ["a/1.jpg"]
    assert "closed: Permission denied" in caplog.text
    with pytest.raises(DataError, match="closed cannot be read as a folder: Permission denied"):
        find_images(tmp_path / "closed")


def test_names_that_are_not_utf8_get_an_id_that_is(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    samples = find_images(tmp_path)
    assert samples.sample_ids.tolist() == samples.subject_ids.tolist() == [r"\xff.jpg"]
    assert Path(samples.paths[0]).exists()


@pytest.mark.data
def test_lfw_and_cfp(data_root: Path) -> None:
    lfw = find_images(data_root / "data" / "lfw" / "images")
    assert (len(lfw), len(np.unique(lfw.subject_ids))) == (13_233, 5_749)
    cfp = find_images(data_root / "data" / "cfp" / "Data" / "Images")
    assert (len(cfp), len(np.unique(cfp.subject_ids))) == (7_000, 500)
