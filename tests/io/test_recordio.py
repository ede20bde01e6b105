from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError
from fiqa.io.images import ImageError
from fiqa.io.recordio import RecordFile
from packed import MAGIC, pack, record, training_set, write_records

IMAGES = (b"one", b"twelve", b"", b"\x00" * 9, MAGIC, b"abc" + MAGIC + b"d" + MAGIC)


def test_a_training_set_as_insightface_packs_it(tmp_path: Path) -> None:
    path = write_records(tmp_path / "train.rec", training_set(IMAGES, [7, 7, 7, 12, 12, 0]))
    archive = RecordFile.open(path)
    assert len(archive) == 6
    assert archive.samples.sample_ids.tolist()[::3] == ["000007/00000001", "000012/00000004"]
    assert archive.samples.subject_ids.tolist() == ["000007"] * 3 + ["000012"] * 2 + ["000000"]
    assert archive.samples.paths is None
    assert [archive.encoded(row) for row in range(6)] == list(IMAGES)


def test_bytes_of_a_record_worked_by_hand(tmp_path: Path) -> None:
    data = struct.pack("<IfQQ", 0, 3.0, 5, 0) + b"jpegs"
    written = write_records(tmp_path / "train.rec", {5: data}).read_bytes()
    assert written == MAGIC + struct.pack("<I", 29) + data + b"\x00" * 3
    archive = RecordFile.open(tmp_path / "train.rec")
    assert archive.samples.sample_ids.tolist() == ["000003/00000005"]
    assert archive.encoded(0) == b"jpegs"


def test_records_with_several_labels_and_without_ranges(tmp_path: Path) -> None:
    records = {
        9: record([4, 0.5], b"image 9", 9),
        0: record(2, b"image 0", 0),
        3: record([1], b"image 3", 3),
    }
    archive = RecordFile.open(write_records(tmp_path / "a.rec", records))
    assert archive.samples.sample_ids.tolist() == ["000002/00000000", "000001/00000003", "000004/00000009"]
    assert [archive.encoded(row) for row in range(3)] == [b"image 0", b"image 3", b"image 9"]


def test_a_header_that_is_split_is_read_whole(tmp_path: Path) -> None:
    data = struct.pack("<IfQQ", 0, 6.0, 0, 0)
    data = data[:8] + MAGIC + data[12:] + b"image"  # the record's own number is the magic one
    path = write_records(tmp_path / "a.rec", {1: data})
    assert path.read_bytes()[7] >> 5 == 1
    archive = RecordFile.open(path)
    assert archive.samples.subject_ids.tolist() == ["000006"]
    assert archive.encoded(0) == b"image"


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.sampled_from([MAGIC, b"a", b"bcd", b"\x0a#"]))),
        min_size=1,
        max_size=8,
    )
)
def test_any_images_come_back(tmp_path_factory: pytest.TempPathFactory, content: list) -> None:
    images = [b"".join(pieces) + b"end." for _, pieces in content]
    labels = [label for label, _ in content]
    path = tmp_path_factory.mktemp("rec") / "train.rec"
    archive = RecordFile.open(write_records(path, training_set(images, labels)))
    assert [archive.encoded(row) for row in range(len(archive))] == images
    assert archive.samples.subject_ids.astype(int).tolist() == labels


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, r"train\.idx cannot be read: No such file"),
        ("", r"train\.idx is empty"),
        ("0\t0\n1\n", r"train\.idx: line 2 must be 2 whole numbers 'key offset', got '1'"),
        ("0\t0\nx\t9\n", r"train\.idx: line 2 must be 2 whole numbers 'key offset', got 'x\\t9'"),
        ("0\t0\n1\t4000\n", r"train\.rec ends before records 1 of its \.idx: it is cut short"),
        ("0\t0\n1\t40\n3\t120\n", r"announces images 1 to 3; its \.idx lacks 2"),
        ("1\t4\n2\t80\n", r"no record begins where the \.idx says, at keys 1"),
    ],
)
def test_a_malformed_index_is_named(tmp_path: Path, index: str | None, message: str) -> None:
    path = write_records(tmp_path / "train.rec", training_set([b"image"] * 3, [1, 1, 2]))
    if index is None:
        path.with_suffix(".idx").unlink()
    else:
        path.with_suffix(".idx").write_text(index)
    with pytest.raises(DataError, match=message):
        RecordFile.open(path).samples.sample_ids.tolist()


def test_damaged_files(tmp_path: Path) -> None:
    path = write_records(
        tmp_path / "train.rec", {1: record(0.5, b"image", 1), 2: record(1, b"longer image", 2)}
    )
    with pytest.raises(DataError, match="labels must be whole numbers from 0, not so at keys 1"):
        RecordFile.open(path).samples.sample_ids.tolist()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(ImageError, match="record 2 is damaged: the file ends within it"):
        RecordFile.open(path)
    path.write_bytes(pack(b"short") + whole[16:] + pack(record(1, b"x" * 9, 3)))
    with pytest.raises(ImageError, match="record 1 is damaged: it is shorter than its header"):
        RecordFile.open(path).encoded(0)
    path.write_bytes(pack(struct.pack("<IfQQ", 99, 0, 0, 0) + b"image") + whole[40:])
    with pytest.raises(ImageError, match="it announces 99 labels and ends before them"):
        RecordFile.open(path).encoded(0)
    path.write_bytes(MAGIC + struct.pack("<I", 3 << 29 | 29) + whole[8:])
    with pytest.raises(ImageError, match="a part of kind 3 stands at byte 0"):
        RecordFile.open(path).encoded(0)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"train\.rec cannot be read"):
        RecordFile.open(path)


def test_labels_are_gathered_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiqa.io.recordio._BLOCK_ROWS", 3)
    labels = [4, 4, 1, 0, 0, 8, 2]
    path = write_records(tmp_path / "train.rec", training_set([b"image"] * 7, labels))
    np.testing.assert_array_equal(RecordFile.open(path).samples.subject_ids.astype(int), labels)
