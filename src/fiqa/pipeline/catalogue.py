"""What there is to choose from, as rows of a table."""

from __future__ import annotations

from typing import Any

from ..methods import METHODS
from ..models.recognisers import RECOGNISERS


def method_rows() -> list[dict[str, Any]]:
    """One row a quality method or label source."""
    columns = (
        "name",
        "gives",
        "needs",
        "weights",
        "deterministic",
        "gradients",
        "range",
        "licence",
        "summary",
        "source",
    )
    rows = [{column: getattr(row, column) for column in columns} for row in METHODS]
    return [{**row, "direction": "higher = more useful"} for row in rows]


def recogniser_rows() -> list[dict[str, Any]]:
    """One row a recogniser."""
    columns = ("name", "summary", "licence", "filename", "sha256", "source")
    return [{column: getattr(row, column) for column in columns} for row in RECOGNISERS]
