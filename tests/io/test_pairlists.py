from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import PairSet
from fiqa.io.pairlists import PAIR_LISTS, read_pairlist
from fiqa.io.samples import find_images
from fiqa.io.store import write_pairs

LFW = "2\t1\nAda\t1\t4\nAda\t2\tBob_Ray\t13\nBob_Ray\t13\t2\nAda\t1\tBob_Ray\t2\n"


def named(pairs: PairSet) -> list[tuple[str, str, bool]]:
    ids = pairs.sample_ids
    return list(zip(ids[pairs.first].tolist(), ids[pairs.second].tolist(), pairs.mated.tolist(), strict=True))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="")
    return path


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_lfw(tmp_path: Path, ends: str) -> None:
    pairs = read_pairlist(f"lfw:{write(tmp_path / 'pairs.txt', LFW.replace(chr(10), ends))}")
    assert named(pairs) == [
        ("Ada/Ada_0001.jpg", "Ada/Ada_0004.jpg", True),
        ("Ada/Ada_0002.jpg", "Bob_Ray/Bob_Ray_0013.jpg", False),
        ("Bob_Ray/Bob_Ray_0013.jpg", "Bob_Ray/Bob_Ray_0002.jpg", True),
        ("Ada/Ada_0001.jpg", "Bob_Ray/Bob_Ray_0002.jpg", False),
    ]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 0, 1, 1]
    assert pairs.sample_ids.tolist() == sorted(pairs.sample_ids.tolist())


@pytest.mark.parametrize("header", ["2\n", ""])
def test_lfw_view_1_with_and_without_its_count(tmp_path: Path, header: str) -> None:
    body = LFW.partition("\n")[2]
    pairs = read_pairlist(f"lfw:{write(tmp_path / 'pairsDevTest.txt', header + body)}")
    assert len(pairs) == 4
    assert pairs.mated.tolist() == [True, False, True, False]
    assert pairs.folds is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LFW + "Ada\t1\n", "line 1 announces 4 pairs, the file holds 5"),
        (
            LFW.replace("Bob_Ray\t13\t2", "Bob_Ray\t13"),
            r"line 4 must be 'name i j' or .*, got 'Bob_Ray\\t13'",
        ),
        (LFW.replace("\t4", "\tfour"), r"line 2 must be 'name i j'"),
        (LFW.replace("Ada\t1\t4", "Ada\t1\t1"), "a sample is paired with itself at row 0"),
        ("ten\t300\n" + LFW, "line 1 must be the counts 'folds size' or 'size'"),
        (
            LFW.replace("Ada\t1\t4", "Ada\t0\t4"),
            r"line 2 must be .*, images counted from 1, got 'Ada\\t0\\t4'",
        ),
        (
            "2\t1\nAda\t1\t2\nAda\t1\t3\nAda\t1\tBob\t1\nAda\t1\tBob\t2\n",
            "fold 1 must hold 1 mated pairs of 2, got 2",
        ),
        ("0\t0\n", "holds no pairs"),
        ("\n", "is empty"),
    ],
)
def test_malformed_lfw(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_pairlist(f"lfw:{write(tmp_path / 'pairs.txt', text)}")
    assert str(caught.value).count("pairs.txt") == 1


@pytest.mark.parametrize("kind", ["xqlfw", "degraded-lfw"])
def test_lists_in_the_form_of_lfw(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "xqlfw_pairs.txt", LFW)
    assert named(read_pairlist(f"{kind}:{path}")) == named(read_pairlist(f"lfw:{path}"))


def make_cfp(root: Path) -> Path:
    for side, kind in (("F", "frontal"), ("P", "profile")):
        lines = [f"{n} ../Data/Images/{(n + 1) // 2:03}/{kind}/{(n - 1) % 2 + 1:02}.jpg" for n in range(1, 7)]
        write(root / "Protocol" / f"Pair_list_{side}.txt", "\n".join(lines) + "\n")
    for fold, offset in (("01", 0), ("02", 2)):
        for protocol in ("FF", "FP"):
            folder = root / "Protocol" / "Split" / protocol / fold
            write(folder / "same.txt", f"{1 + offset},{2 + offset}\n")
            write(folder / "diff.txt", f"{2 + offset},{3 + offset}")
    return root


def test_cfp(tmp_path: Path) -> None:
    pairs = read_pairlist(f"cfp-ff:{make_cfp(tmp_path)}")
    assert named(pairs) == [
        ("001/frontal/01.jpg", "001/frontal/02.jpg", True),
        ("001/frontal/02.jpg", "002/frontal/01.jpg", False),
        ("002/frontal/01.jpg", "002/frontal/02.jpg", True),
        ("002/frontal/02.jpg", "003/frontal/01.jpg", False),
    ]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 0, 1, 1]
    assert named(read_pairlist(f"cfp-fp:{tmp_path}"))[1] == (
        "001/frontal/02.jpg",
        "002/profile/01.jpg",
        False,
    )


def test_malformed_cfp(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Pair_list_F\.txt cannot be read"):
        read_pairlist(f"cfp-ff:{tmp_path}")
    protocol = make_cfp(tmp_path) / "Protocol"
    for text in ("1,7", "1,2,3", "1;2"):
        write(protocol / "Split" / "FP" / "02" / "same.txt", f"1,2\n{text}\n")
        with pytest.raises(DataError, match=rf"same\.txt: line 2 must be two image numbers .*, got '{text}'"):
            read_pairlist(f"cfp-fp:{tmp_path}")
    (protocol / "Split" / "FP" / "02").rename(protocol / "Split" / "FP" / "03")
    with pytest.raises(DataError, match=r"FP: folds must be 01 to 02, got \['01', '03'\]"):
        read_pairlist(f"cfp-fp:{tmp_path}")
    (protocol / "Split" / "FP" / "03").rename(protocol / "Split" / "FP" / "02")
    (protocol / "Split" / "FP" / "01" / "same.txt").unlink()
    with pytest.raises(DataError, match=r"same\.txt cannot be read"):
        read_pairlist(f"cfp-fp:{tmp_path}")
    write(protocol / "Pair_list_P.txt", "1 profile/01.jpg\n")
    with pytest.raises(DataError, match=r"Pair_list_P\.txt: line 1 must be 'number \.\./Data/Images"):
        read_pairlist(f"cfp-fp:{tmp_path}")
    (protocol / "Split" / "FF").rename(protocol / "Split" / "gone")
    with pytest.raises(DataError, match="FF holds no folds"):
        read_pairlist(f"cfp-ff:{tmp_path}")


def test_cplfw(tmp_path: Path) -> None:
    text = "name same_person\r\nAda_1.jpg 1\r\nAda_2.jpg 1\r\nAda_1.jpg 0\r\nBob_1.jpg 0\r\n"
    pairs = read_pairlist(f"cplfw:{write(tmp_path / 'pairs_CPLFW.txt', text)}")
    assert named(pairs) == [("Ada_1.jpg", "Ada_2.jpg", True), ("Ada_1.jpg", "Bob_1.jpg", False)]
    assert pairs.folds is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.jpg 1\nb.jpg 1\nb.jpg 0\na.jpg 0\n", r"c\.txt: pairs must be mated or non-mated, not both: a"),
        ("a.jpg 1\nb.jpg 0\n", r"line 3 must be of the same kind as the line before \(1\), got 'b\.jpg 0'"),
        ("a.jpg 1\nb.jpg 2\n", "line 3 must be 'image.jpg 0' or 'image.jpg 1'"),
        ("a.jpg 1\nb.jpg\n", "line 3 must be"),
        ("a.jpg 1\n", "pairs are two lines each, got 1 lines below the heading"),
        ("", "holds no pairs"),
    ],
)
def test_malformed_cplfw(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairlist(f"cplfw:{write(tmp_path / 'c.txt', 'name same_person' + chr(10) + rows)}")


def test_cplfw_without_a_heading(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs_CPLFW.txt", "Ada_1.jpg\t1\nAda_2.jpg\t1\n")
    assert named(read_pairlist(f"cplfw:{path}")) == [("Ada_1.jpg", "Ada_2.jpg", True)]


def calfw(flags: list[int]) -> str:
    return "".join(f"A_{row:04}.jpg {flag}\nB_{row:04}.jpg {flag}\n" for row, flag in enumerate(flags))


def test_calfw(tmp_path: Path) -> None:
    pairs = read_pairlist(f"calfw:{write(tmp_path / 'pairs_CALFW.txt', calfw([1, 1, 2, 2, 0, 0, 0, 0]))}")
    assert named(pairs)[0] == ("A_0000.jpg", "B_0000.jpg", True)
    assert pairs.mated.tolist() == [True] * 4 + [False] * 4
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert read_pairlist(f"calfw:{write(tmp_path / 'c.txt', calfw([1, 0]))}").folds is None


def test_malformed_calfw(tmp_path: Path) -> None:
    for text, message in (
        (calfw([1, 3, 0]), r"folds must be 1 to 3, without mated pairs: 2"),
        (calfw([11]), r"line 1 must be 'image\.jpg 0' or 'image\.jpg 1\.\.10', got 'A_0000\.jpg 11'"),
        ("A.jpg 1\nB.jpg 2\n", r"line 2 must be of the same kind as the line before \(1\)"),
    ):
        with pytest.raises(DataError, match=message):
            read_pairlist(f"calfw:{write(tmp_path / 'pairs_CALFW.txt', text)}")


@pytest.mark.parametrize("form", ["{a} {b} {flag}", "{flag} {a} {b}"])
def test_agedb(tmp_path: Path, form: str) -> None:
    rows = [
        (f"{2 * row:05}.jpg", f"{2 * row + 1:05}.jpg", 1 if row % 2 else -(row % 4) // 2) for row in range(20)
    ]
    text = "\n".join(form.format(a=a, b=b, flag=flag) for a, b, flag in rows)
    pairs = read_pairlist(f"agedb-30:{write(tmp_path / 'agedb_30.txt', text)}")
    assert named(pairs) == [(a, b, flag == 1) for a, b, flag in rows]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [row // 2 for row in range(20)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b 1\n" * 9, "ten folds of equal size need a multiple of 10 lines, got 9"),
        ("a b 1\n" * 9 + "1 a b\n", "line 10 must be 'image image flag' like the first one, .*got '1 a b'"),
        (
            "1 a b\n" * 9 + "2 a b\n",
            r"line 10 must be 'flag image image' like the first one, flag 1 \(mated\)",
        ),
        ("a b\n" * 10, "line 1 must be 'image image flag'"),
    ],
)
def test_malformed_agedb(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairlist(f"agedb-30:{write(tmp_path / 'agedb_30.txt', text)}")


def test_repeated_pairs_are_kept_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "first,second,mated\na,b,1\nc,d,0\nb,a,1\na,b,1\n"
    pairs = read_pairlist(f"csv:{write(tmp_path / 'p.csv', text)}")
    assert len(pairs) == 4
    assert "2 pairs occur twice and count twice, a with b, a with b" in caplog.text


def test_tables_of_pairs(tmp_path: Path) -> None:
    pairs = read_pairlist(f"csv:{write(tmp_path / 'p.csv', 'first,second,mated,fold' + chr(10) + 'b,a,1,3')}")
    write_pairs(tmp_path / "p.parquet", pairs)
    again = read_pairlist(f"parquet:{tmp_path / 'p.parquet'}")
    assert named(again) == named(pairs)
    assert again.folds is not None
    assert again.folds.tolist() == [3]
    for text, message in (
        ("first,second,mated\n", r"p\.csv holds no pairs"),
        ("first,second,mated\na,b,1\na,b\n", "3 cells expected, other counts at lines 3"),
        ("first,second,mated,fold\na,b,1,\n", "fold must be a number, got '' at lines 2"),
        ("first,second\na,b\n", "has no column 'mated'"),
    ):
        with pytest.raises(DataError, match=message):
            read_pairlist(f"csv:{write(tmp_path / 'p.csv', text)}")


def test_csv(tmp_path: Path) -> None:
    pairs = read_pairlist(f"csv:{write(tmp_path / 'p.csv', 'first,second,mated,fold' + chr(10) + 'b,a,1,3')}")
    assert named(pairs) == [("b", "a", True)]
    assert pairs.folds is not None
    assert pairs.folds.tolist() == [3]


def test_kinds_and_specs() -> None:
    assert PAIR_LISTS.names == (
        *("lfw", "xqlfw", "degraded-lfw", "cfp-ff", "cfp-fp", "cplfw", "calfw", "agedb-30"),
        *("ijb-b", "ijb-c", "bin", "csv", "parquet"),
    )
    assert all(callable(entry.load()) for entry in PAIR_LISTS)
    with pytest.raises(SettingsError, match="no pair list is named 'cfp'; did you mean cfp-fp or cfp-ff"):
        read_pairlist("cfp:x")
    with pytest.raises(SettingsError, match="a pair list is KIND:PATH, got 'lfw'"):
        read_pairlist("lfw")
    with pytest.raises(DataError, match=r"absent\.txt cannot be read: No such file"):
        read_pairlist("lfw:absent.txt")


@pytest.mark.data
@pytest.mark.parametrize(
    ("spec", "images", "size", "folds"),
    [
        ("lfw:lfw/protocol/pairs.txt", "lfw/images", 6000, 10),
        ("lfw:lfw/protocol/pairsDevTrain.txt", "lfw/images", 2200, 0),
        ("lfw:lfw/protocol/pairsDevTest.txt", "lfw/images", 1000, 0),
        ("cfp-ff:cfp", "cfp/Data/Images", 7000, 10),
        ("cfp-fp:cfp", "cfp/Data/Images", 7000, 10),
        ("cplfw:cplfw/pairs_CPLFW.txt", None, 6000, 0),
    ],
)
def test_published_lists(data_root: Path, spec: str, images: str | None, size: int, folds: int) -> None:
    kind, _, place = spec.partition(":")
    pairs = read_pairlist(f"{kind}:{data_root / 'data' / place}")
    assert (len(pairs), int(pairs.mated.sum())) == (size, size // 2)
    if folds:
        assert pairs.folds is not None
        np.testing.assert_array_equal(np.bincount(pairs.folds), np.full(folds, size // folds))
        np.testing.assert_array_equal(
            np.bincount(pairs.folds[pairs.mated]), np.full(folds, size // folds // 2)
        )
    if images:
        subjects = find_images(data_root / "data" / images).at(pairs.sample_ids).subject_ids
        np.testing.assert_array_equal(subjects[pairs.first] == subjects[pairs.second], pairs.mated)
    if kind == "cfp-fp":
        sides = np.char.partition(pairs.sample_ids, "/")[:, 2]
        assert np.char.startswith(sides[pairs.first], "frontal").all()
        assert np.char.startswith(sides[pairs.second], "profile").all()
