"""Tables on disk: named columns of one length, as Parquet, CSV or JSON by the ending of the name.

Parquet and JSON carry attributes and provenance in their header. CSV is the plain form for people and other
programs: attributes become constant columns on the right and provenance is left out. Forms of other programs
(see `foreign`) and tables in memory, of pandas, polars or Arrow, are read too.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few, same_length
from ..core.errors import DataError, SettingsError
from ..core.optional import require
from .atomic import HEADER, atomic
from .foreign import OFIQ_START, read_list, read_ofiq, record_columns
from .json_text import json_text, parse_json
from .provenance import Provenance
from .samples import readable

Columns = Mapping[str, NDArray[Any]]
Header = Mapping[str, Any]


class Frame(Protocol):
    """A DataFrame of pandas or polars, or an Arrow table."""

    def __getitem__(self, name: str, /) -> Any:
        """A column."""
        ...


_FOREIGN = 0xDC80 >> 7
"""Upper bits of the code points that stand for bytes of a file name that are not UTF-8."""
_FLAGS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, eq=False)
class Table:
    """Columns as they were read, and typed views of them.

    Attributes:
        source: The file, named in every message.
        columns: (n,) or (n, k) arrays by name; all text where the file was CSV.
        attributes: Facts about the whole table.
        provenance: What made it, or None.
    """

    source: Path
    columns: Columns
    attributes: Mapping[str, str] = field(default_factory=dict)
    provenance: Provenance | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def column(self, name: str) -> NDArray[Any]:
        """A column as it is; a missing one is a DataError that names those there are."""
        if name not in self.columns:
            there = ", ".join(self.columns) or "none"
            raise DataError(f"{self.source} has no column {name!r}; there are: {there}")
        return self.columns[name]

    def texts(self, name: str) -> NDArray[np.str_]:
        """A column as text (n,)."""
        return self.column(name).astype(np.str_)

    def numbers(
        self, name: str, *, dtype: type[np.floating] = np.float64, refuse_nan: bool = False
    ) -> NDArray[np.floating]:
        """A column as float numbers.

        Args:
            name: The column.
            dtype: Precision.
            refuse_nan: Whether NaN and infinity are refused by line; else they are let through for the core
                types to refuse with their sample id.

        Raises:
            DataError: If a cell is no number, naming its line.
        """
        column = self.column(name)
        try:
            numbers: NDArray[np.floating] = column.astype(dtype)
        except (TypeError, ValueError):
            bad = [row for row, cell in enumerate(column.tolist()) if not _is_number(cell)]
            raise self._refusal(name, "a number", bad) from None
        if refuse_nan and not np.isfinite(numbers).all():
            raise self._refusal(name, "a finite number", np.flatnonzero(~np.isfinite(numbers)).tolist())
        return numbers

    def integers(self, name: str) -> NDArray[np.int64]:
        """A column as whole numbers.

        Raises:
            DataError: If a cell is none, naming its line.
        """
        numbers = self.numbers(name)
        bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers == np.rint(numbers))))
        if bad.size:
            raise self._refusal(name, "a whole number", bad.tolist())
        return numbers.astype(np.int64)

    def flags(self, name: str) -> NDArray[np.bool_]:
        """A column of 0/1 or false/true as bool.

        Raises:
            DataError: If a cell is neither, naming its line.
        """
        cells = [_FLAGS.get(str(cell).lower()) for cell in self.column(name).tolist()]
        bad = [row for row, cell in enumerate(cells) if cell is None]
        if bad:
            raise self._refusal(name, "0 or 1", bad)
        return np.array(cells, dtype=np.bool_)

    def attribute(self, name: str, *, default: str) -> str:
        """A fact about the whole table, from the header or from a constant column.

        Raises:
            DataError: If the column is not constant.
        """
        if name in self.attributes or name not in self.columns:
            return self.attributes.get(name, default)
        values = np.unique(self.texts(name))
        if len(values) > 1:
            raise DataError(f"{self.source} mixes {name} {first_few(values)}; keep one in a file")
        return str(values[0]) if len(values) else default

    def _refusal(self, name: str, wanted: str, rows: Sequence[int]) -> DataError:
        what = "lines" if self.source.suffix.lower() == ".csv" else "rows"
        shift = 2 if what == "lines" else 0
        got = first_few([repr(self.columns[name][row].item()) for row in rows])
        where = first_few([row + shift for row in rows])
        return DataError(f"{self.source}: {name} must be {wanted}, got {got} at {what} {where}")


def write_table(
    path: Path,
    columns: Columns,
    *,
    attributes: Mapping[str, str] | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write columns of one length, whole or not at all; floats read back to the same bits.

    Raises:
        DataError: If the columns differ in length or the file cannot be written.
        SettingsError: If the name ends in none of .parquet, .csv, .json.
    """
    same_length(**columns)
    check_table_output(path)
    columns = {name: _readable(column) for name, column in columns.items()}
    write = _by_suffix(path, _WRITERS)
    header: dict[str, Any] = {"attributes": dict(attributes or {})}
    if provenance:
        header["provenance"] = provenance.to_json()
    with atomic(path) as temporary, naming(path):
        write(temporary, columns, header)


def check_table_output(path: Path) -> None:
    """Refuse before long work what `write_table` would refuse after it.

    Raises:
        DataError: If `path` is a folder.
        SettingsError: If the name ends in none of .parquet, .csv, .json.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder that would be lost; name a file to write")
    _by_suffix(path, _WRITERS)


def read_table(path: Path | Frame) -> Table:
    """Read a table of any of the forms, a folder of shards as one table, or a table in memory.

    Raises:
        DataError: If the file is missing, damaged, or its rows differ in length.
        SettingsError: If the name ends in none of .parquet, .csv, .json, .txt.
    """
    if not isinstance(path, Path):
        return _from_frame(path)
    if not path.exists():
        raise DataError(f"{path} cannot be read: No such file or folder")
    if path.is_dir():
        return _read_shards(path)
    read = _by_suffix(path, _READERS)
    try:
        columns, header = read(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    with naming(path):
        provenance = Provenance.from_json(header["provenance"]) if "provenance" in header else None
    return Table(path, columns, header.get("attributes", {}), provenance)


def shard(folder: Path, number: int) -> Path:
    """The file of a shard of a table that is kept in a folder, counted from 0."""
    return folder / f"part-{number:05}.parquet"


def shards(folder: Path) -> list[Path]:
    """The shards in a folder, in order."""
    return sorted(folder.glob("part-*.parquet"))


def is_table(path: Path) -> bool:
    """Whether this is a Parquet, CSV or JSON file by its name."""
    return path.suffix.lower() in _WRITERS and path.is_file()


def read_provenance(path: Path) -> Provenance | None:
    """What made a Parquet table, without reading its rows.

    Raises:
        DataError: If the file is no Parquet file.
    """
    header = _parquet().read_header(path)
    return Provenance.from_json(header["provenance"]) if "provenance" in header else None


def count_rows(path: Path) -> int:
    """How many rows a Parquet table has, without reading them."""
    count: int = _parquet().count_rows(path)
    return count


def _read_shards(folder: Path) -> Table:
    files, header = shards(folder), folder / HEADER
    if not files:
        raise DataError(f"{folder} is a folder without a part-00000.parquet; name a table")
    if header.exists() and parse_json(header).get("shards") != len(files):
        raise DataError(f"{folder} is not complete: give the command that writes it once more")
    tables = [read_table(path) for path in files]
    columns = {name: np.concatenate([one.column(name) for one in tables]) for name in tables[0].columns}
    return Table(folder, columns, tables[0].attributes, tables[0].provenance)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file before the message of a DataError raised inside, unless it is named there."""
    try:
        yield
    except DataError as error:
        if str(path) in str(error):
            raise
        raise DataError(f"{path}: {error}") from error


def _write_parquet(path: Path, columns: Columns, header: Header) -> None:
    _parquet().write(path, columns, header=header)


def _read_parquet(path: Path) -> tuple[Columns, Header]:
    found: tuple[Columns, Header] = _parquet().read(path)
    return found


def _parquet() -> ModuleType:
    require("pyarrow", extra="lab", purpose="read and write Parquet (CSV and JSON need nothing)")
    from . import parquet

    return parquet


def _write_csv(path: Path, columns: Columns, header: Header) -> None:
    attributes = header["attributes"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, *attributes])
        writer.writerows((*row, *attributes.values()) for row in _rows(columns))


def _from_frame(frame: Frame) -> Table:
    """Columns of a pandas or polars DataFrame or an Arrow table."""
    source = Path(type(frame).__name__)
    columns = {str(name): np.asarray(frame[name].to_numpy()) for name in _names(frame)}
    for name, column in columns.items():
        if column.dtype == object:
            bad = [row for row, cell in enumerate(column.tolist()) if not isinstance(cell, str)]
            if bad:
                raise DataError(
                    f"{source}: column {name} must be text throughout, is not at {first_few(bad)}"
                )
            columns[name] = column.astype(np.str_)
    return Table(source, columns)


def _names(frame: Any) -> list[Any]:
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def _read_csv(path: Path) -> tuple[Columns, Header]:
    with path.open(encoding="utf-8-sig") as file:
        if file.read(len(OFIQ_START)) == OFIQ_START:
            return read_ofiq(path), {"attributes": {"method": "OFIQ"}}
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            names = next(reader, [])
            rows = list(reader)
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    if not names:
        raise DataError(f"{path} is empty; its first line must name the columns")
    if len(set(names)) < len(names):
        raise DataError(f"{path}: two columns share a name in {', '.join(names)}")
    while rows and not rows[-1]:
        rows.pop()
    uneven = [number for number, row in enumerate(rows, start=2) if len(row) != len(names)]
    if uneven:
        raise DataError(f"{path}: {len(names)} cells expected, other counts at lines {first_few(uneven)}")
    cells = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {name: np.array(column, dtype=np.str_) for name, column in zip(names, cells, strict=True)}, {}


def _write_json(path: Path, columns: Columns, header: Header) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in _rows(columns)]
    path.write_text(json_text({**header, "rows": rows}), encoding="utf-8")


def _read_json(path: Path) -> tuple[Columns, Header]:
    document = parse_json(path)
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return record_columns(document, path), {}
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f'{path} must be {{"rows": [{{column: value, ...}}, ...]}}')
    names = list(rows[0]) if rows else []
    uneven = [number for number, row in enumerate(rows) if set(row) != set(names)]
    if uneven:
        raise DataError(f"{path}: rows must have the keys {', '.join(names)}, others at {first_few(uneven)}")
    return {name: np.array([row[name] for row in rows]) for name in names}, document


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    plain = [column.astype(np.int8) if column.dtype == np.bool_ else column for column in columns.values()]
    return zip(*(column.tolist() for column in plain), strict=True)


def _readable(column: NDArray[Any]) -> NDArray[Any]:
    """Text with every file name in it `readable`; other columns as they are."""
    if column.dtype.kind != "U" or not column.size:
        return column
    codes = np.frombuffer(column.tobytes(), np.uint32)
    if not np.any(codes >> 7 == _FOREIGN):
        return column
    return np.array([readable(text) for text in column.tolist()])


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


_WRITERS: dict[str, Callable[[Path, Columns, Header], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".json": _write_json,
}
_READERS: dict[str, Callable[[Path], tuple[Columns, Header]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".json": _read_json,
    ".txt": lambda path: (read_list(path), {}),
}


def _by_suffix(path: Path, table: Mapping[str, Any]) -> Any:
    if path.suffix.lower() not in table:
        raise SettingsError(f"{path} must end in one of {', '.join(table)}")
    return table[path.suffix.lower()]
