from __future__ import annotations

from pathlib import Path

import pytest

from fiqa.core.errors import DataError
from fiqa.io.pairlists import read_pairlist
from fiqa.io.templates import read_templates

MEMBERS = "1.jpg 1 69544\n2.jpg 1 69544\n3.jpg 11065 7\n4.jpg 20 8\n"
PAIRS = "1 11065 1\n1 20 0\n11065 20 0\n"


def write_ijb(folder: Path, prefix: str = "ijbc", *, members: str = MEMBERS, pairs: str = PAIRS) -> Path:
    (folder / f"{prefix}_face_tid_mid.txt").write_text(members)
    (folder / f"{prefix}_template_pair_label.txt").write_text(pairs)
    return folder


@pytest.mark.parametrize(("kind", "prefix"), [("ijb-b", "ijbb"), ("ijb-c", "ijbc")])
def test_templates_and_their_pairs(tmp_path: Path, kind: str, prefix: str) -> None:
    spec = f"{kind}:{write_ijb(tmp_path, prefix)}"
    pairs = read_pairlist(spec)
    assert pairs.sample_ids.tolist() == ["1", "20", "11065"]
    assert pairs.first.tolist() == [0, 0, 2]
    assert pairs.second.tolist() == [2, 1, 1]
    assert pairs.mated.tolist() == [True, False, False]
    assert pairs.folds is None
    templates = read_templates(spec)
    assert templates is not None
    assert templates.sample_ids.tolist() == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert templates.template_ids.tolist() == ["1", "1", "11065", "20"]
    assert templates.media_ids.tolist() == ["69544", "69544", "7", "8"]


def test_other_kinds_have_no_templates() -> None:
    assert read_templates("lfw:anywhere") is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"members": MEMBERS + "5.jpg 3\n"}, r"tid_mid\.txt: line 5 must be 'image template media', got '5"),
        ({"members": MEMBERS + "5.jpg 3 x\n"}, "line 5 must be 'image template media', the last two whole"),
        (
            {"pairs": PAIRS + "1 20\n"},
            r"label\.txt: line 4 must be 3 whole numbers 'template template mated'",
        ),
        ({"pairs": PAIRS + "1 20 yes\n"}, r"line 4 must be 3 whole numbers .*, got '1 20 yes'"),
        ({"pairs": PAIRS + "1 20 2\n"}, "mated must be 0 or 1, got 2"),
        ({"pairs": PAIRS + "1 5 0\n"}, r"names templates that ijbc_face_tid_mid\.txt lacks: 5"),
        ({"pairs": PAIRS + "20 20 1\n"}, r"label\.txt: pairs: a sample is paired with itself at row 3"),
        ({"pairs": PAIRS + f"1 20 {2**70}\n"}, "holds numbers of more than 64 bits"),
        ({"pairs": "\n\n"}, r"label\.txt is empty"),
    ],
)
def test_malformed_templates(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairlist(f"ijb-c:{write_ijb(tmp_path, **files)}")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ijbb_template_pair_label\.txt cannot be read: No such file"):
        read_pairlist(f"ijb-b:{tmp_path}")
