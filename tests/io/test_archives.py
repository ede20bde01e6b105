from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.io.archives import open_archive, read_bin
from fiqa.io.pairlists import read_pairlist
from packed import training_set, write_bin, write_records

IMAGES = [b"\xff\xd8 a", b"\xff\xd8 b", b"\xff\xd8 c", b"\x89PNG d"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["bytes", "uint8", "python 2"])
def test_every_way_in_which_images_are_pickled(tmp_path: Path, protocol: int, kind: str) -> None:
    images: list[Any] = list(IMAGES)
    if kind == "uint8":
        images = [np.frombuffer(image, np.uint8) for image in IMAGES]
    if kind == "python 2":
        images = [image.decode("latin1") for image in IMAGES]
    archive = read_bin(write_bin(tmp_path / "a.bin", images, [True, np.bool_(False)], protocol=protocol))
    assert list(archive.images) == IMAGES
    assert archive.encoded(3) == IMAGES[3]
    assert archive.mated.tolist() == [True, False]


def test_the_bytes_that_python_2_writes(tmp_path: Path) -> None:
    """Protocol 2 as Python 2 has it: short byte strings (U) in two lists of a pair."""
    content = b"\x80\x02](U\x04\xff\xd8 aU\x03\xff\xd8be]\x88a\x86."
    (tmp_path / "old.bin").write_bytes(content)
    archive = read_bin(tmp_path / "old.bin")
    assert list(archive.images) == [b"\xff\xd8 a", b"\xff\xd8b"]
    assert archive.mated.tolist() == [True]


def test_pairs_samples_and_folds(tmp_path: Path) -> None:
    images = [bytes([row]) for row in range(24)]
    images[23] = images[0]
    path = write_bin(tmp_path / "a.bin", images, [1, 0] * 6)
    pairs = read_pairlist(f"bin:{path}")
    ids = pairs.sample_ids
    assert (ids[0], ids[23]) == ("000000", "000023")
    assert pairs.first.tolist() == list(range(0, 24, 2))
    assert pairs.second.tolist() == list(range(1, 24, 2))
    assert pairs.mated.tolist() == [True, False] * 6
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    samples = open_archive(path).samples
    np.testing.assert_array_equal(samples.sample_ids, ids)
    assert samples.subject_ids.tolist()[:5] == ["000000", "000000", "000002", "000003", "000004"]
    assert samples.subject_ids[23] == "000000"
    assert read_pairlist(f"bin:{write_bin(tmp_path / 'few.bin', images[:4], [1, 0])}").folds is None


class Code:
    def __reduce__(self) -> Any:
        return os.system, ("touch hurt",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ((Code(), [True]), r"a\.bin is refused as a pickle of plain data: it asks for (posix|nt)\.system"),
        (([Code(), b"b"], [True]), r"it asks for (posix|nt)\.system"),
        ({"a": 1}, r"a\.bin must hold \(images, flags\), got dict"),
        ((b"", [True]), "must hold a list of images and one of flags, got bytes and list"),
        (([b"a", b"b", b"c"], [True]), "must hold two images for each flag, got 3 and 1"),
        (([], []), "must hold two images for each flag, got 0 and 0"),
        (([b"a", 5], [True]), "image 1 must be the bytes of an image file, got int"),
        (([b"a", np.zeros((2, 2), np.uint8)], [True]), "image 1 must be the bytes of an image file"),
        (([b"a", b"b"], ["same"]), "flag 0 must be true or false, got 'same'"),
    ],
)
def test_malformed_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bin").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        open_archive(tmp_path / "a.bin")
    assert not (tmp_path / "hurt").exists()


def test_the_ending_decides(tmp_path: Path) -> None:
    path = write_records(tmp_path / "train.rec", training_set([b"image"], [3]))
    assert open_archive(path).samples.subject_ids.tolist() == ["000003"]
    with pytest.raises(DataError, match=r"gone\.bin cannot be read"):
        open_archive(tmp_path / "gone.bin")
