from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fiqa.core.errors import DataError, WeightsError
from fiqa.io.atomic import atomic
from fiqa.io.samples import walk_files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    with atomic(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert names(path.parent) == ["a.txt"]


def break_off(path: Path, error: Exception) -> None:
    """Write half a file or, where a folder stands, half a folder."""
    with atomic(path) as temporary:
        if path.is_dir():
            temporary.mkdir()
            temporary = temporary / "half"
        temporary.write_text("half")
        raise error


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError):
        break_off(path, KeyError("boom"))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    for content in ("one", "two"):
        with atomic(folder) as temporary:
            temporary.mkdir()
            (temporary / "header.json").write_text("{}")
            (temporary / content).write_text(content)
    assert names(folder) == ["header.json", "two"]
    assert names(tmp_path) == ["crops"]


def test_an_error_leaves_the_folder_that_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    (folder / "header.json").write_text("{}")
    with pytest.raises(KeyError):
        break_off(folder, KeyError("boom"))
    assert names(folder) == ["header.json"]
    assert names(tmp_path) == ["crops"]


def test_a_folder_with_other_content_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="photos is a folder with other content"), atomic(tmp_path / "photos"):
        pytest.fail("the block was entered")
    assert names(tmp_path / "photos") == ["1.jpg"]


def test_a_file_never_replaces_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    (folder / "header.json").write_text("{}")
    with pytest.raises(DataError, match="crops is a folder that would be lost"), atomic(folder) as part:
        part.write_text("{}")
    assert names(folder) == ["header.json"]
    assert names(tmp_path) == ["crops"]


def test_links_stay_and_what_they_point_to_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "disk" / "crops", tmp_path / "crops"
    real.mkdir(parents=True)
    (real / "header.json").write_text("old")
    link.symlink_to(real)
    with atomic(link) as temporary:
        temporary.mkdir()
        (temporary / "header.json").write_text("new")
    assert link.is_symlink()
    assert (real / "header.json").read_text() == "new"
    assert names(real.parent) == ["crops"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.npy cannot be written: No space left"):
        break_off(tmp_path / "a.npy", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"x\.csv cannot be written"), atomic(tmp_path / "file" / "x.csv"):
        pytest.fail("the block was entered")


def test_named_errors_pass_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^wrong digest$"):
        break_off(tmp_path / "a", WeightsError("wrong digest"))


def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from fiqa.io.atomic import atomic\n"
        "with atomic(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    target = tmp_path / "a.jpg"
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert len(names(tmp_path)) == 1
    assert walk_files(tmp_path) == []
    with atomic(target) as part:
        part.write_text("whole")
    assert walk_files(tmp_path) == ["a.jpg"]
