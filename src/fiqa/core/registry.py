"""Registries are literal tables: a name, where it lives, what it is, and its source.

A table may be added to by other packages through an entry-point group; these are looked at when a name is not
in the table, or when everything is listed, and not before.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .errors import SettingsError

logger = logging.getLogger(__name__)


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

    def __init__(self, kind: str, entries: tuple[Row, ...], *, group: str = "") -> None:
        """Check and keep the table.

        Args:
            kind: What the entries are, in messages.
            entries: The table.
            group: Entry-point group in which other packages name further rows of the same type; none if
                empty.

        Raises:
            SettingsError: If two entries share a name.
        """
        self.kind, self.group = kind, group
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise SettingsError(f"two {kind} entries share a name")

    def __iter__(self) -> Iterator[Row]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> tuple[str, ...]:
        """All names in the table, in its order."""
        return tuple(self._entries)

    def everything(self) -> list[Row]:
        """The table, then the rows of other packages by name; one that cannot be had is a warning."""
        rows = list(self)
        for name, point in sorted(self._points().items()):
            try:
                rows.append(self._row(point))
            except SettingsError as error:
                logger.warning("left out %s %s: %s", self.kind, name, error)
        return rows

    def get(self, name: str) -> Row:
        """The row of that name, of the table before those of other packages.

        Raises:
            SettingsError: If there is none, the message offers the nearest names; or another package's
                cannot be had.
        """
        if name in self._entries:
            return self._entries[name]
        points = self._points()
        if name in points:
            return self._row(points[name])
        names = [*self._entries, *points]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
        raise SettingsError(f"no {self.kind} is named {name!r}; {hint}")

    def _points(self) -> dict[str, importlib.metadata.EntryPoint]:
        """Entry points of other packages by name; none takes the place of a row of the table."""
        found = importlib.metadata.entry_points(group=self.group) if self.group else ()
        return {point.name: point for point in found if point.name not in self._entries}

    def _row(self, point: importlib.metadata.EntryPoint) -> Row:
        package = point.dist.name if point.dist else "an unknown package"
        wanted = type(next(iter(self)))
        try:
            row = point.load()
        except Exception as error:  # another package's import may fail in any way
            raise SettingsError(
                f"{self.kind} {point.name} of {package} cannot be loaded from {point.value}: {error!r}"
            ) from error
        if not isinstance(row, wanted) or row.name != point.name:
            raise SettingsError(
                f"{point.value} of {package} must be a {wanted.__name__} named {point.name!r}, "
                f"got {repr(row)[:80]}"
            )
        return row

    def load(self, name: str) -> Any:
        """Import and return what stands behind `name`."""
        return self.get(name).load()
