"""Columns to and from Parquet, readable by any Parquet reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..core.errors import DataError

_KEY = b"fiqa"


def write(path: Path, columns: Mapping[str, NDArray[Any]], *, header: Mapping[str, Any]) -> None:
    """Write columns (n,) or (n, k), the latter as lists of fixed length, and a header as JSON metadata."""
    table = pa.table({name: _to_arrow(column) for name, column in columns.items()})
    pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(header)}), path)


def read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """All columns and the header, empty where another program wrote the file.

    Raises:
        DataError: If the file is no Parquet file or a column holds nulls.
    """
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is no whole Parquet file: {error}") from error
    header = json.loads((table.schema.metadata or {}).get(_KEY, b"{}"))
    return {name: _from_arrow(name, table[name], path) for name in table.column_names}, header


def read_header(path: Path) -> dict[str, Any]:
    """The header alone.

    Raises:
        DataError: If the file is no Parquet file.
    """
    try:
        found: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {}).get(_KEY, b"{}"))
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is no whole Parquet file: {error}") from error
    return found


def count_rows(path: Path) -> int:
    """How many rows a file has."""
    count: int = pq.read_metadata(path).num_rows
    return count


def _to_arrow(column: NDArray[Any]) -> Any:
    if column.ndim == 1:
        return pa.array(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1])


def _from_arrow(name: str, column: Any, path: Path) -> NDArray[Any]:
    if column.null_count:
        raise DataError(f"{path}: column {name} holds {column.null_count} nulls; fill or drop these rows")
    if pa.types.is_fixed_size_list(column.type):
        flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat).reshape(len(column), column.type.list_size)
    values = np.asarray(column.to_numpy())
    return values.astype(np.str_) if values.dtype == object else values
