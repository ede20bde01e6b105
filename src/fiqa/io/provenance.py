"""Where a file comes from: written into it, and compared before work is done again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fiqa import __version__

from ..core.errors import DataError
from .samples import walk_files


@dataclass(frozen=True)
class Provenance:
    """What made a file.

    Attributes:
        kind: Type of the file's content, such as ``"scores"``.
        version: Version of its format.
        producer: Program and version that wrote it.
        settings: Settings it was made with, as JSON values.
        inputs: SHA-256 of each input, by name.
        seed: Seed of all random draws, or None where nothing was drawn.
    """

    kind: str
    version: int = 1
    producer: str = f"fiqa {__version__}"
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Provenance:
        """The inverse of `to_json`.

        Raises:
            DataError: If a field is missing or unknown.
        """
        names = {item.name for item in fields(cls)}
        if set(values) != names:
            raise DataError(
                f"provenance must have {', '.join(sorted(names))}, got {', '.join(sorted(values))}"
            )
        return cls(**values)


def digest(path: Path) -> str:
    """SHA-256 in hexadecimal of a file, or of the names and contents of all visible files in a folder.

    A file in a folder that cannot be read, such as a broken link, counts by its name.

    Raises:
        DataError: If the path itself cannot be read.
    """
    if not path.is_dir():
        try:
            return _file_digest(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
    whole = hashlib.sha256()
    for name in walk_files(path):
        try:
            content = _file_digest(path / name)
        except OSError:
            content = "unreadable"
        whole.update(f"{content} {name}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
