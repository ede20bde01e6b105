"""A folder of photos as a sample set."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.arrays import first_few
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
        DataError: If the folder does not exist, cannot be read, holds no image, or a name is not UTF-8.
    """
    relative = [name for name in walk_files(folder) if name.lower().endswith(IMAGE_SUFFIXES)]
    if not relative:
        raise DataError(f"{folder} holds no image; looked for names that end in {', '.join(IMAGE_SUFFIXES)}")
    foreign = [name for name in relative if not _is_utf8(name)]
    if foreign:
        raise DataError(f"file names must be UTF-8, rename {first_few([ascii(name) for name in foreign])}")
    sample_ids = np.array(relative)
    subject_ids = np.array([name.partition("/")[0] for name in relative])
    return SampleSet(sample_ids, subject_ids, np.array([str(folder / name) for name in relative]))


def walk_files(folder: Path) -> list[str]:
    """Names of all visible files below a folder, relative to it with forward slashes, sorted.

    A folder that cannot be read is left out with a warning; a loop of links ends where it closes.

    Raises:
        DataError: If `folder` itself is no folder or cannot be read.
    """
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise DataError(f"{folder} cannot be read as a folder: {error.strerror}") from error
    return sorted(_walk(folder))


def _walk(folder: Path) -> Iterator[str]:
    entered = {_identity(folder)}
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_warn):
        kept = []
        for name in sorted(folders):
            identity = _identity(Path(place, name))
            if not name.startswith(".") and identity not in entered:
                entered.add(identity)
                kept.append(name)
        folders[:] = kept
        below = Path(place).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        yield from (prefix + name for name in files if not name.startswith("."))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _warn(error: OSError) -> None:
    logger.warning("left out %s: %s", error.filename, error.strerror)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
