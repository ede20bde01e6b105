"""Text files line by line, so that an error can name the line."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError


class Line(NamedTuple):
    """A line that is not blank, and where it stands."""

    path: Path
    number: int
    text: str

    @property
    def tokens(self) -> list[str]:
        """What white space separates."""
        return self.text.split()

    def malformed(self, wanted: str) -> DataError:
        """The error of a line that is not what was wanted."""
        return DataError(f"{self.path}: line {self.number} must be {wanted}, got {self.text!r}")

    def integers(self, tokens: Iterable[str], wanted: str) -> list[int]:
        """Tokens of this line as whole numbers from 0.

        Raises:
            DataError: If one is none.
        """
        tokens = list(tokens)
        if not all(token.isdecimal() for token in tokens):
            raise self.malformed(wanted)
        return [int(token) for token in tokens]


def read_lines(path: Path) -> list[Line]:
    """All lines of a UTF-8 file that are not blank.

    Raises:
        DataError: If the file cannot be read, is no text or holds no such line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error
    rows = enumerate(text.splitlines(), start=1)
    lines = [Line(path, number, line.strip()) for number, line in rows if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty")
    return lines


def read_integers(path: Path, wanted: str) -> NDArray[np.int64]:
    """A file of millions of lines with equally many whole numbers each.

    Args:
        path: The file.
        wanted: A line in words, one word a number, such as ``"key offset"``.

    Returns:
        (n, k) numbers, k the number of words.

    Raises:
        DataError: If the file cannot be read, is empty, or a line is another one; it is named.
    """
    width = len(wanted.split())
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="loadtxt: input contained no data")
            numbers = np.loadtxt(path, dtype=np.int64, ndmin=2, comments=None)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or 'No such file'}") from error
    except ValueError:
        numbers = np.zeros((1, 0), np.int64)
    if numbers.size and numbers.shape[1] == width:
        return numbers
    for line in read_lines(path):
        if len(line.integers(line.tokens, f"{width} whole numbers '{wanted}'")) != width:
            raise line.malformed(f"{width} whole numbers '{wanted}'")
    raise DataError(f"{path} holds numbers of more than 64 bits")
