"""A folder of photos as a sample set."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.errors import DataError
from ..core.types import SampleSet
from .images import IMAGE_SUFFIXES

logger = logging.getLogger(__name__)


def find_images(folder: Path) -> SampleSet:
    """All images below a folder, in sorted order, told by the ending of their names.

    The sample id is the path relative to the folder with forward slashes, the subject its first part:
    ``ada/1.jpg`` is a sample of ``ada``, and an image directly in the folder is a subject of its own.
    Hidden files and folders are left out. Links are followed, each real folder is entered once.

    Raises:
        DataError: If the folder does not exist, cannot be read or holds no image.
    """
    relative = [name for name in walk_files(folder) if name.lower().endswith(IMAGE_SUFFIXES)]
    if not relative:
        raise DataError(f"{folder} holds no image; looked for names that end in {', '.join(IMAGE_SUFFIXES)}")
    sample_ids = [readable(name) for name in relative]
    subject_ids = np.array([name.partition("/")[0] for name in sample_ids])
    return SampleSet(np.array(sample_ids), subject_ids, np.array([str(folder / name) for name in relative]))


def walk_files(folder: Path) -> list[str]:
    """Names of all visible files below a folder, relative to it with forward slashes, sorted.

    A folder that cannot be read is left out with a warning; a loop of links ends where it closes.

    Raises:
        DataError: If `folder` itself is no folder or cannot be read.
    """
    files = []
    for name, error in walk(folder):
        if error is None:
            files.append(name)
        elif name == ".":
            raise DataError(f"{folder} cannot be read as a folder: {error.strerror}") from error
        else:
            logger.warning("left out %s: %s", folder / name, error.strerror)
    return files


def walk(folder: Path) -> Iterator[tuple[str, OSError | None]]:
    """Visible files below a folder one by one, and folders that cannot be read with the error.

    Names are relative to the folder with forward slashes, in sorted order; memory is needed for the names of
    one folder at a time. Links are followed, each real folder is entered once: a loop ends where it closes.
    """
    entered: set[tuple[int, int]] = set()
    open_folders = [iter([(".", True)])]
    while open_folders:
        for name, is_folder in open_folders[-1]:
            if not is_folder:
                yield name, None
                continue
            try:
                status = (folder / name).stat()
                if (status.st_dev, status.st_ino) not in entered:
                    entered.add((status.st_dev, status.st_ino))
                    open_folders.append(_entries(folder, name))
                    break
            except OSError as error:
                yield name, error
        else:
            open_folders.pop()


def _entries(folder: Path, name: str) -> Iterator[tuple[str, bool]]:
    """Visible entries of a folder and which of them are folders, in the order of the paths below them."""
    prefix = "" if name == "." else f"{name}/"
    with os.scandir(folder / name) as entries:
        found = [(f"{prefix}{entry.name}", _is_folder(entry)) for entry in entries if entry.name[0] != "."]
    return iter(sorted(found, key=lambda entry: f"{entry[0]}/" if entry[1] else entry[0]))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def readable(name: str) -> str:
    r"""A file name as text that can be written; bytes that are not UTF-8 stand as ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
