"""What users name as input: photos, folders, patterns and lists of them, to one image after the other."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from ..core.types import SampleSet
from .images import IMAGE_SUFFIXES
from .provenance import digest
from .samples import readable, walk
from .store import read_samples
from .tables import is_table

STDIN = "-"
LIST_SUFFIX = ".txt"


@dataclass(frozen=True)
class Inputs:
    """Images named by words, found anew in the same order whenever they are asked for.

    A word is a photo, a folder (searched to its depth, see `walk`) or a pattern with ``*``, ``?``, ``[...]``
    or ``**``. The sample id of an image is its path; where one folder alone is named, the path relative to
    that folder. An image named twice is taken once. What does not exist or cannot be searched is an image
    too, one that cannot be read: it turns up among the failures.

    Attributes:
        words: The words.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str | Path]) -> Inputs:
        """Take ``-`` for the lines of standard input and a ``.txt`` file for its lines.

        Raises:
            DataError: If a list cannot be read.
        """
        found: list[str] = []
        for word in map(str, words):
            if word == STDIN:
                found += _lines(sys.stdin.buffer.read())
            elif word.lower().endswith(LIST_SUFFIX) and Path(word).is_file():
                try:
                    found += _lines(Path(word).read_bytes())
                except OSError as error:
                    raise DataError(f"{word} cannot be read: {error.strerror}") from error
            else:
                found.append(word)
        return cls(tuple(found))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Sample id and path of each image, one at a time."""
        if len(self.words) == 1 and os.path.isdir(self.words[0]):  # noqa: PTH112
            folder = Path(self.words[0])
            yield from ((readable(name), str(folder / name)) for name in _images_below(folder))
            return
        seen: set[str] = set()
        for word in self.words:
            for path in map(os.path.normpath, _found(word)):
                if path not in seen:
                    seen.add(path)
                    yield readable(path), path

    def batches(self, size: int | None = None) -> Iterator[SampleSet]:
        """So many images at a time, all at once without a size; each is a subject of its own.

        Raises:
            DataError: If there is no image.
        """
        images = iter(self)
        count = 0
        while found := list(itertools.islice(images, size)):
            count += len(found)
            ids, paths = (np.array(column) for column in zip(*found, strict=True))
            yield SampleSet(ids, ids, paths)
        if not count:
            raise DataError(
                f"no image in {', '.join(self.words) or 'an empty list'}; in folders names that end in "
                f"{', '.join(IMAGE_SUFFIXES)} are looked for"
            )


def names_many(word: str | Path) -> bool:
    """Whether a word is a folder, a pattern, a list of lines or standard input, and no photo."""
    word = str(word)
    a_list = word.lower().endswith(LIST_SUFFIX) and Path(word).is_file()
    return word == STDIN or a_list or Path(word).is_dir() or _is_pattern(word)


def list_digest(path: Path) -> str:
    """Digest of a file or folder; where it is a table with paths, also over the stamp of what these name.

    Raises:
        DataError: If it cannot be read.
    """
    whole = digest(path)
    if not is_table(path):
        return whole
    samples = read_samples(path)
    if samples.paths is None:
        return whole
    return hashlib.sha256(f"{whole} {stamp(samples)}".encode()).hexdigest()


def stamp(samples: SampleSet) -> str:
    """SHA-256 over id, size and time of change of each file, which tells whether work has to be done anew."""
    assert samples.paths is not None  # inputs are files
    whole = hashlib.sha256()
    for name, path in zip(samples.sample_ids.tolist(), samples.paths.tolist(), strict=True):
        try:
            status = Path(path).stat()
            state = f"{status.st_size} {status.st_mtime_ns}"
        except (OSError, ValueError):
            state = "absent"
        whole.update(f"{state} {name}\n".encode())
    return whole.hexdigest()


def _is_pattern(word: str) -> bool:
    return glob.has_magic(word) and not os.path.lexists(word)


def _found(word: str) -> Iterator[str]:
    """The files that a word means; the word itself where it means none."""
    for path in (sorted(glob.glob(word, recursive=True)) if _is_pattern(word) else ()) or [word]:  # noqa: PTH207
        if os.path.isdir(path):  # noqa: PTH112 (never raises)
            yield from (f"{path}/{name}" for name in _images_below(Path(path)))
        else:
            yield path


def _images_below(folder: Path) -> Iterator[str]:
    for name, error in walk(folder):
        if error is not None or name.lower().endswith(IMAGE_SUFFIXES):
            yield name


def _lines(content: bytes) -> list[str]:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [os.fsdecode(line) for line in (line.removesuffix(b"\r") for line in lines) if line.strip()]
