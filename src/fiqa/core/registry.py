"""Registries are literal tables: a name, where it lives, what it is, and its source."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .errors import SettingsError


@dataclass(frozen=True)
class Entry:
    """One row of a registry.

    Attributes:
        name: What users type.
        target: ``"module:attribute"``, imported only when the entry is loaded.
        summary: One line for tables and help texts.
        source: Authors, year, DOI or arXiv number; empty for our own.
    """

    name: str
    target: str
    summary: str
    source: str = ""

    def load(self) -> Any:
        """Import and return the attribute behind this entry."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


Row = TypeVar("Row", bound=Entry)


class Registry(Generic[Row]):
    """An ordered table of entries of one kind, looked up by name."""

    def __init__(self, kind: str, entries: tuple[Row, ...]) -> None:
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise SettingsError(f"two {kind} entries share a name")

    def __iter__(self) -> Iterator[Row]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in table order."""
        return tuple(self._entries)

    def get(self, name: str) -> Row:
        """The row of that name.

        Raises:
            SettingsError: If there is none; the message offers the nearest names.
        """
        if name in self._entries:
            return self._entries[name]
        near = difflib.get_close_matches(name, self._entries, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(self._entries)}"
        raise SettingsError(f"no {self.kind} is named {name!r}; {hint}")

    def load(self, name: str) -> Any:
        """Import and return what stands behind `name`."""
        return self.get(name).load()
