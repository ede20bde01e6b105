from __future__ import annotations

import pytest

from conftest import REPOSITORY
from fiqa.core.errors import DataError
from fiqa.explain.reasons import LEVELS, reasons

USUAL = {row.factor: row.usual for row in LEVELS}
LEVEL = {row.factor: row.level for row in LEVELS}


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        ("sharpness", "blurred"),
        ("cleanness", "noisy"),
        ("detail", "compressed"),
        ("light", "too dark"),
        ("headroom", "too bright"),
        ("contrast", "low contrast"),
        ("frontality", "turned away"),
        ("size", "face too small in the photo"),
        ("visibility", "partly covered"),
    ],
)
def test_one_low_factor_is_one_reason(factor, words):
    (found,) = reasons({**USUAL, factor: 0.25 * LEVEL[factor]})
    assert (found.words, found.factor, found.level) == (words, factor, LEVEL[factor])
    assert found.value == 0.25 * LEVEL[factor]
    assert found.severity == pytest.approx(0.75)


def test_usual_faces_get_none_and_the_level_itself_does_not_stand_out():
    assert reasons(USUAL) == []
    assert reasons(LEVEL) == []


def test_worst_first_and_three_at_most():
    shares = {"sharpness": 0.9, "light": 0.2, "size": 0.5, "visibility": 0.0}
    low = {factor: share * LEVEL[factor] for factor, share in shares.items()}
    found = reasons({**USUAL, **low})
    assert [reason.words for reason in found] == ["partly covered", "too dark", "face too small in the photo"]
    assert [reason.severity for reason in found] == pytest.approx([1, 0.8, 0.5])
    assert len(reasons({**USUAL, **low}, most=4)) == 4


def test_equal_severity_keeps_the_order_of_the_table():
    found = reasons(dict.fromkeys(USUAL, 0.0), most=len(LEVELS))
    assert [reason.factor for reason in found] == list(USUAL)


def test_levels_lie_below_what_is_usual():
    assert all(0 < row.level < row.usual for row in LEVELS)


def test_a_missing_factor_is_named():
    with pytest.raises(DataError, match="reasons need the factors light, size; got sharpness"):
        reasons({name: 1.0 for name in USUAL if name not in ("light", "size")})


def test_the_table_in_the_documentation_is_that_of_the_code():
    lines = (REPOSITORY / "docs" / "explain.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.count("|") == 4]
    table = {first.split(" (")[0]: (words, level) for first, words, level in cells}
    for row in LEVELS:
        words, level = table[row.factor]
        assert (words, float(level)) == (row.words, row.level)
