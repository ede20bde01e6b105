"""Any still image to uint8 RGB, or a named reason why not."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from ..core.errors import DataError

IMAGE_SUFFIXES: tuple[str, ...] = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif"),
    *(".pgm", ".ppm", ".pbm", ".pnm"),
)
"""File name endings, in lower case, that are looked for in a folder."""

MAX_PIXELS = 50_000_000
"""Width times height of the largest image that is decoded unless a caller says otherwise."""
MAX_SCANS = 64
"""Scans of a JPEG that is decoded. Each is a pass over all of its pixels and encoders write about ten: a
small file of thousands would keep a processor busy for minutes."""
_START_OF_SCAN = b"\xff\xda"
_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(DataError):
    """An image that cannot be used.

    Attributes:
        reason: Code from `fiqa.core.types.REASONS`.
        message: One line for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


def read_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image upright: its EXIF orientation is applied, of an animation the first frame is taken.

    JPEG, PNG, BMP, TIFF, WebP, GIF, PGM and PPM, told by content rather than by name. Grey, palette and
    CMYK pixels become RGB, transparent ones white, 16-bit ones keep their upper 8 bits (rounded where grey).
    A JPEG of more than `MAX_SCANS` scans is too large.

    Args:
        source: A file, or the bytes of one.
        max_pixels: Width times height allowed, at most 178 million. Checked on the header, before any pixel
            is decoded.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        ImageError: With `reason` missing, unreadable, not_an_image, damaged or too_large.
    """
    name = "the image" if isinstance(source, bytes) else str(source)
    with _opened(source, name) as file, _pillow_silent():
        image = _open_header(file, name, max_pixels)
        if isinstance(image, JpegImageFile):
            _check_scans(file, name)
        try:
            image.load()
            upright = _upright(image)
            return _to_rgb(upright, name)
        except ImageError:
            raise
        except Exception as error:  # decoders raise errors of any kind on damaged bytes
            raise ImageError("damaged", f"{name} is cut short or damaged: {error}") from error


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an uint8 image, grey (height, width) or RGB (height, width, 3), as PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, format="PNG", compress_level=1)


def jpeg(image: NDArray[np.uint8], *, quality: int = 88) -> bytes:
    """An uint8 image, grey (height, width) or RGB (height, width, 3), as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return file.getvalue()


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        if source.is_dir():
            os.scandir(source).close()
            raise ImageError("unreadable", f"{name} is a folder")
        if not source.is_file() and source.exists():
            raise ImageError("unreadable", f"{name} is not a regular file")
        file = source.open("rb")
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError("missing", f"{name} does not exist") from error
    except OSError as error:
        raise ImageError("unreadable", f"{name} cannot be opened: {error.strerror}") from error
    except ValueError as error:  # a name that no file can have
        raise ImageError("missing", f"{name!a} does not exist: {error}") from error
    with file:
        yield file


def _open_header(file: BinaryIO, name: str, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        if not file.seek(0, io.SEEK_END):
            raise ImageError("not_an_image", f"{name} is empty: it has no bytes") from error
        raise ImageError(
            "not_an_image", f"{name} is no JPEG, PNG, BMP, TIFF, WebP, GIF, PGM or PPM image"
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", f"{name} has more than the {max_pixels} pixels allowed") from error
    except Exception as error:  # header parsers raise errors of any kind on damaged bytes
        raise ImageError("damaged", f"{name} has a damaged header: {error}") from error
    if image.width * image.height > max_pixels:
        raise ImageError(
            "too_large",
            f"{name} has {image.width} x {image.height} pixels, more than the {max_pixels} allowed",
        )
    return image


def _check_scans(file: BinaryIO, name: str) -> None:
    """Refuse a bomb in time; the place in the file stays."""
    place = file.tell()
    file.seek(0)
    if file.read().count(_START_OF_SCAN) > MAX_SCANS:
        raise ImageError("too_large", f"{name} has more than the {MAX_SCANS} scans allowed")
    file.seek(place)


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # pixels are whole even where their EXIF block is not
        return image
    transpose = _UPRIGHT.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def _to_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(_grey_from_deep(np.asarray(image), name)[..., None], 3, axis=2)
    if image.has_transparency_data:
        layered = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", layered.size, "white")
        image.paste(layered, mask=layered.getchannel("A"))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _grey_from_deep(pixels: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """16-bit grey levels to 8 bits; deeper pixels have no agreed white."""
    if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() > 65_535:
        raise ImageError(
            "not_an_image",
            f"{name} has grey pixels of no agreed white level; save it with 8 or 16 bits a pixel",
        )
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


class _Silence:
    """Pillow's warnings are off while any thread decodes; the last one out restores the filters."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._saved.__exit__(None, None, None)


_pillow_silent = _Silence()
