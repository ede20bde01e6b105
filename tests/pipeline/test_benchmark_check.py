from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fiqa.cli import app
from fiqa.core.errors import DataError
from fiqa.pipeline.benchmark_check import KNOWN, Holding, Known, all_complete, check_benchmarks
from packed import training_set, write_bin, write_records

PAGE = ("https://example.org", "free")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def known(kind: str, file: str, count: int, **more: object) -> Known:
    return Known("It", file, kind, count, PAGE, **more)


def only(root: Path, item: Known) -> Holding:
    (found,) = check_benchmarks(root, [item])
    return found


def test_a_list_with_its_images(tmp_path: Path) -> None:
    root = touch(tmp_path, "set/images/Ada/Ada_0001.jpg", "set/images/Ada/Ada_0002.jpg")
    touch(root, "set/images/Bob/Bob_0001.jpg", "elsewhere/Ada/Ada_0003.jpg")
    (root / "set" / "pairs.txt").write_text("Ada 1 2\nAda 1 Bob 1\n")
    lfw = known("lfw", r"(^|/)pairs\.txt$", 2)
    assert only(root, lfw) == Holding("It", "complete", "set/pairs.txt", 3, 2, "", *PAGE)
    (root / "set" / "pairs.txt").write_text("Ada 1 2\nAda 1 Bob 1\nAda 1 3\nAda 2 Bob 9\n")
    found = only(root, known("lfw", r"pairs\.txt$", 4))
    assert (found.status, found.images, found.pairs) == ("incomplete", 3, 4)
    assert found.missing == "2 of 5 images: Ada/Ada_0003.jpg, Bob/Bob_0009.jpg"
    found = only(root, known("lfw", r"pairs\.txt$", 6000))
    assert found.missing.startswith("4 pairs instead of 6000; 2 of 5 images")


def test_images_of_another_set_with_the_same_names_do_not_count(tmp_path: Path) -> None:
    root = touch(tmp_path / "data", "lfw/Ada/Ada_0001.jpg", "lfw/Ada/Ada_0002.jpg")
    (root / "xqlfw_pairs.txt").write_text("Ada 1 2\n")
    item = next(item for item in KNOWN if item.name == "XQLFW")
    found = only(root, item)
    assert found.missing == "1 pairs instead of 6000; no images (2 are needed, such as Ada/Ada_0001.jpg)"
    touch(root, "xqlfw_aligned_112/Ada/Ada_0001.jpg", "xqlfw_aligned_112/Ada/Ada_0002.jpg")
    assert only(root, item).images == 2


def test_unreadable_lists_and_absent_ones(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("Ada 1\nBob\n")
    found = only(tmp_path, known("lfw", r"pairs\.txt$", 2))
    assert found.status == "incomplete"
    assert "pairs.txt: line 1 must be the counts" in found.missing
    absent = only(tmp_path, known("calfw", r"pairs_calfw\.txt$", 2))
    assert absent == Holding("It", "absent", "", 0, 0, "", *PAGE)
    with pytest.raises(DataError, match="cannot be read as a folder"):
        check_benchmarks(tmp_path / "gone")


def test_templates(tmp_path: Path) -> None:
    meta = touch(tmp_path, "loose_crop/1.jpg", "loose_crop/2.jpg", "meta/x") / "meta"
    (meta / "ijbc_face_tid_mid.txt").write_text("1.jpg 1 5\n2.jpg 2 6\n3.jpg 2 7\n")
    (meta / "ijbc_template_pair_label.txt").write_text("1 2 1\n")
    found = only(tmp_path, known("ijb-c", r"ijbc_template_pair_label\.txt$", 1, up=1))
    assert found.missing == "1 of 3 images: 3.jpg"


def test_archives(tmp_path: Path) -> None:
    root = tmp_path / "faces_vgg_112x112"
    root.mkdir()
    write_bin(root / "lfw.bin", [b"a", b"b"], [True])
    write_records(root / "train.rec", training_set([b"image"] * 3, [1, 1, 2]))
    by_name = {item.name: item for item in check_benchmarks(root)}
    assert by_name["LFW packed"].missing == "1 pairs instead of 6000"
    vgg = by_name["VGGFace2 packed"]
    assert (vgg.path, vgg.images, vgg.missing) == ("train.rec", 3, "2 subjects instead of 8631")
    assert by_name["MS1MV2 packed"].status == "absent"
    assert only(root, known("rec", r"\.rec$", 2)).status == "complete"
    (root / "train.idx").unlink()
    assert "train.idx cannot be read" in only(root, known("rec", r"\.rec$", 2)).missing


def test_what_all_complete_means() -> None:
    here, gone, broken = (
        Holding("It", status, "", 0, 0, "", *PAGE) for status in ("complete", "absent", "incomplete")
    )
    assert all_complete([here, gone])
    assert not all_complete([gone])
    assert not all_complete([here, broken])


def test_the_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["benchmark", "check", str(tmp_path), "--json"])
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert len(rows) == len(KNOWN)
    assert all(row["status"] == "absent" and row["get"].startswith("http") and row["terms"] for row in rows)
    table = CliRunner().invoke(app, ["benchmark", "check", str(tmp_path)]).stdout
    assert "missing, where to get it" in table


@pytest.mark.data
def test_the_data_at_hand(data_root: Path) -> None:
    found = {item.name: item for item in check_benchmarks(data_root / "data") if item.status != "absent"}
    complete = {name: (item.images, item.pairs) for name, item in found.items() if item.status == "complete"}
    assert complete == {
        "LFW": (7701, 6000),
        "LFW View 1, training": (3443, 2200),
        "LFW View 1, test": (1549, 1000),
        "CFP-FF": (4764, 7000),
        "CFP-FP": (5901, 7000),
    }
    assert found["CPLFW"].missing == "no images (5984 are needed, such as AJ_Lamas_2.jpg)"
