"""A file or folder appears under its name whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import DataError, FiqaError

HEADER = "header.json"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder to; it is renamed when the block ends well.

    On an error nothing is left behind and what stood under `path` is untouched. A killed process leaves a
    hidden file or folder named ``.tmp-…``, which nothing here reads. A folder that stands under `path` is
    replaced only if it holds nothing visible or a ``header.json``, as all folders written here do: photos are
    never swept away by a mistyped output. Where `path` is a link, what it points to is replaced.

    Raises:
        DataError: If `path` cannot be written, or is a folder that was not written here.
    """
    check_output(path)
    target = path.resolve()
    temporary = _hidden(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _replace(temporary, target)
    except FiqaError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        _remove(temporary)


def check_output(path: Path) -> None:
    """Refuse before long work what `atomic` would refuse after it.

    Raises:
        DataError: If `path` is a folder with visible content and without a ``header.json``.
    """
    if path.is_dir() and not (path / HEADER).exists() and any(path.glob("[!.]*")):
        raise DataError(f"{path} is a folder with other content that would be lost; name another output")


def _replace(temporary: Path, path: Path) -> None:
    if not path.is_dir():
        temporary.replace(path)
        return
    if not temporary.is_dir():
        raise DataError(f"{path} is a folder that would be lost; name a file to write")
    former = _hidden(path)
    path.rename(former)
    try:
        temporary.rename(path)
    except OSError:
        former.rename(path)
        raise
    _remove(former)


def _hidden(path: Path) -> Path:
    return path.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{path.name}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
