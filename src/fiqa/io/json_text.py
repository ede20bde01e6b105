"""JSON that names its file when it is broken, and never holds NaN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import DataError


def json_text(value: Mapping[str, Any]) -> str:
    """JSON for people and programs alike.

    Raises:
        DataError: If the value holds NaN, infinity or what JSON cannot express.
    """
    try:
        return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise DataError(f"JSON cannot hold this: {error}") from error


def parse_json(path: Path) -> Any:
    """The value in a JSON file; NaN and infinity are let through.

    Raises:
        DataError: If the file cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
