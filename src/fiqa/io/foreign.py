"""Scores of other programs: tables of OFIQ, lists of a path and a score a line, records as of fiqat."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .lines import read_lines

Columns = dict[str, NDArray[Any]]

OFIQ_START = "Filename;"
"""How a table of OFIQ begins."""
_SCALAR = ".scalar"
_OWN = {
    "Filename": "sample_id",
    "UnifiedQualityScore": "score",
    f"UnifiedQualityScore{_SCALAR}": "score100",
}
"""Columns of OFIQ that have a name here."""


def read_ofiq(path: Path) -> Columns:
    """A table of OFIQ: ``sample_id``, ``score`` (native), ``score100``, and every measure by its own name.

    Native values are float64, those of the ``.scalar`` columns whole numbers from 0 to 100 (-1 where OFIQ
    could not tell).

    Raises:
        DataError: If a row has another number of cells than the header, or a cell is no number.

    Source:
        ISO/IEC 29794-5 and its reference implementation OFIQ, for the form and the names.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        names, *rows = (row if row[-1] else row[:-1] for row in csv.reader(file, delimiter=";") if row)
    uneven = [number for number, row in enumerate(rows, start=2) if len(row) != len(names)]
    if uneven:
        raise DataError(f"{path}: {len(names)} cells expected, another count at line {uneven[0]}")
    found: Columns = {}
    for name, cells in zip(names, zip(*rows, strict=True) if rows else ([] for _ in names), strict=True):
        kind: type = np.str_ if name == "Filename" else np.int64 if name.endswith(_SCALAR) else np.float64
        try:
            found[_OWN.get(name, name)] = np.array(cells, np.str_).astype(kind)
        except ValueError as error:
            raise DataError(f"{path}: column {name} must hold numbers: {error}") from error
    return found


def write_ofiq(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """The form that OFIQ writes, byte for byte: of other tables the names of OFIQ that apply.

    Native values have six decimals, or none where they are whole. Columns without a name in OFIQ are left
    out: those that do not come in pairs of ``NAME`` and ``NAME.scalar``.
    """
    own = {mine: name for name, mine in _OWN.items()}
    named = {own.get(name, name): column for name, column in columns.items()}
    measures = [
        name
        for name in named
        if (name == "UnifiedQualityScore" or f"{name}{_SCALAR}" in named) and not name.endswith(_SCALAR)
    ]
    names = [*measures, *(f"{name}{_SCALAR}" for name in measures if f"{name}{_SCALAR}" in named)]
    cells = [[_number(value) for value in named[name].astype(np.float64).tolist()] for name in names]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(["Filename", *names, ""])
        writer.writerows(zip(named["Filename"].tolist(), *cells, strict=True))


def read_list(path: Path) -> Columns:
    """Lines of a path, white space and a score, as the published CR-FIQA and its followers write them.

    Raises:
        DataError: If a line is something else.
    """
    ids, scores = [], []
    for line in read_lines(path):
        name, _, score = (part.strip() for part in line.text.replace("\t", " ").rpartition(" "))
        try:
            scores.append(float(score))
        except ValueError:
            raise line.malformed("a path and a score") from None
        if not name:
            raise line.malformed("a path and a score")
        ids.append(name)
    return {"sample_id": np.array(ids, np.str_), "score": np.array(scores)}


def write_list(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """A path and a score a line; scores read back to the same bits.

    Raises:
        DataError: If a path holds a line break.
    """
    broken = [name for name in columns["sample_id"].tolist() if len(name.splitlines()) > 1]
    if broken:
        raise DataError(f"a list cannot hold the line break in {broken[0]!r}; write a .csv or .parquet")
    pairs = zip(columns["sample_id"].tolist(), columns["score"].astype(np.float64).tolist(), strict=True)
    path.write_text("".join(f"{name} {score!r}\n" for name, score in pairs), encoding="utf-8")


def record_columns(records: Sequence[Mapping[str, Any]], path: Path) -> Columns:
    """Records with a ``path`` and ``quality_scores`` by method, as the examples of fiqat keep them.

    Each method is a column; where there is one, it is the ``score``.

    Raises:
        DataError: If a record lacks one of them.
    """
    try:
        ids = np.array([str(one["path"]) for one in records], np.str_)
        names = list(records[0]["quality_scores"])
        found = {name: np.array([float(one["quality_scores"][name]) for one in records]) for name in names}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: each record must have a path and quality_scores {{method: number}}: {error!r}"
        ) from error
    return {"sample_id": ids, **({"score": found[names[0]]} if len(names) == 1 else found)}


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:.6f}"
