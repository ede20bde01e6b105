"""Every kind of image, good and bad, as generated here."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fiqa.core.errors import DataError
from fiqa.core.types import REASONS
from fiqa.io.images import MAX_SCANS, ImageError, read_image, write_image

HEIGHT, WIDTH = 24, 36


def photo() -> np.ndarray:
    """A smooth colour image whose corners all differ, so that any turn or mirror shows."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([255 * x / (WIDTH - 1), 255 * y / (HEIGHT - 1), np.full_like(x, 40)], -1).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge_png(side: int) -> bytes:
    """A valid one-bit PNG of side × side zeros, a few kilobytes long."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_kinds_come_back_exactly(kind: str) -> None:
    np.testing.assert_array_equal(read_image(encoded(photo(), kind)), photo())


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95}), ("MPO", {})]
)
def test_lossy_kinds_come_back_nearly(kind: str, options: dict[str, int]) -> None:
    difference = read_image(encoded(photo(), kind, **options)).astype(int) - photo()
    assert np.abs(difference).mean() < 8


def test_lossless_webp_comes_back_exactly() -> None:
    np.testing.assert_array_equal(read_image(encoded(photo(), "WEBP", lossless=True)), photo())


def test_result_is_contiguous_writable_and_the_callers_own() -> None:
    image = read_image(encoded(photo(), "PNG"))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "PPM", "BMP", "JPEG", "TIFF", "WEBP"])
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    grey = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    image = read_image(encoded(grey, kind))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(image.astype(int) - grey[..., None]).mean() < 3


def test_bilevel() -> None:
    bits = np.eye(8, dtype=bool)
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(bits), "PNG"))[..., 0], 255 * bits)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_rounded_to_8(kind: str) -> None:
    deep = np.array([[0, 128, 129, 257, 32_768, 65_406, 65_407, 65_535]], dtype=np.uint16)
    expected = np.array([[0, 0, 1, 1, 128, 254, 255, 255]])
    np.testing.assert_array_equal(read_image(encoded(deep, kind))[..., 1], expected)


def test_16_bit_pgm_written_by_hand() -> None:
    content = b"P5\n# deep\n2 1\n65535\n" + struct.pack(">HH", 65_535, 257)
    np.testing.assert_array_equal(read_image(content)[0, :, 0], [255, 1])


def test_16_bit_colour_png() -> None:
    pixels = struct.pack(">3H", 65_535, 32_768, 0)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" + pixels)) + png_chunk(b"IEND", b"")
    np.testing.assert_array_equal(read_image(b"\x89PNG\r\n\x1a\n" + header + body), [[[255, 128, 0]]])


@pytest.mark.parametrize("pixels", [np.full((2, 2), 0.5, np.float32), np.full((2, 2), 1 << 20, np.int32)])
def test_deeper_grey_has_no_agreed_white(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match="no agreed white level") as caught:
        read_image(encoded(pixels, "TIFF"))
    assert caught.value.reason == "not_an_image"


def test_cmyk_jpeg() -> None:
    image = read_image(encoded(Image.fromarray(photo()).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - photo()).mean() < 8


def test_transparent_pixels_become_white() -> None:
    layered = np.dstack([photo(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    layered[:, :10, 3] = 0
    layered[:, 10:12, 3] = 128
    image = read_image(encoded(layered, "PNG"))
    assert (image[:, :10] == 255).all()
    np.testing.assert_array_equal(image[:, 12:], photo()[:, 12:])
    half = photo()[:, 10:12] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(image[:, 10:12] - half).max() <= 1


def test_grey_with_alpha() -> None:
    pixels = np.array([[[10, 255], [10, 0]]], np.uint8)
    image = read_image(encoded(Image.fromarray(pixels, "LA"), "PNG"))
    np.testing.assert_array_equal(image[0, :, 0], [10, 255])


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_a_transparent_colour(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((1, 0), 1)
    for transparency, left in ((0, [255, 255, 255]), (1, [200, 0, 0])):
        np.testing.assert_array_equal(read_image(encoded(image, kind, transparency=transparency))[0, 0], left)


def test_palette_with_graded_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    decoded = read_image(encoded(image, "PNG", transparency=bytes([128, 255])))
    np.testing.assert_array_equal(decoded[0, 0], [227, 127, 127])


@pytest.mark.parametrize("kind", ["RGB", "L"])
def test_a_single_transparent_colour_of_an_image_without_palette(kind: str) -> None:
    image = Image.new(kind, (2, 1), 0 if kind == "L" else (0, 0, 0))
    image.putpixel((1, 0), 100 if kind == "L" else (100, 100, 100))
    decoded = read_image(encoded(image, "PNG", transparency=0 if kind == "L" else (0, 0, 0)))
    np.testing.assert_array_equal(decoded[0], [[255] * 3, [100] * 3])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    options = {} if kind == "TIFF" else {"duration": 50}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert np.abs(read_image(content).astype(int) - [255, 0, 0]).max() <= 3


STORED = {  # how a viewer must turn the stored pixels to show the photo, undone
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(STORED[orientation](photo()))
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    image = read_image(encoded(stored, kind, exif=exif, **options))
    assert image.shape == photo().shape
    assert np.abs(image.astype(int) - photo()).mean() < 8


@pytest.mark.parametrize(
    "block", [b"Exif\0\0MM\0*garbage", b"Exif\0\0" + bytes(40), b"Exif\0\0II*\0\x08\0\0\0\xff\xff\1"]
)
def test_a_damaged_exif_block_does_not_cost_the_pixels(block: bytes) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert read_image(encoded(photo(), "JPEG", exif=block)).shape == photo().shape
    assert not heard


def test_an_unknown_orientation_counts_as_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 99
    assert read_image(encoded(photo(), "JPEG", exif=exif)).shape == photo().shape


def refusal(source: Path | bytes, **options: int) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read_image(source, **options)
    assert caught.value.reason in REASONS
    assert isinstance(caught.value, DataError)
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_cut_short(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encoded(noise, kind)
    assert refusal(content[: len(content) // 2]).reason in ("damaged", "not_an_image")


def test_truncated_jpeg_on_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded(photo(), "JPEG", quality=95)[:-300])
    error = refusal(path)
    assert error.reason == "damaged"
    assert "cut.jpg is cut short or damaged" in str(error)


@pytest.mark.parametrize(
    "content", [b"", b"hello, this is no photograph\n", b"%!PS-Adobe-3.0 EPSF-3.0", b"\0" * 64]
)
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    error = refusal(path)
    assert error.reason == "not_an_image"
    assert ("text.jpg is no JPEG, PNG" if content else "text.jpg is empty: it has no bytes") in str(error)


@pytest.mark.parametrize("position", range(8, 114, 3))
def test_a_flipped_byte_never_gets_past_as_another_error(position: int) -> None:
    for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"):
        content = bytearray(encoded(photo(), kind))
        content[position] ^= 0xFF
        with contextlib.suppress(ImageError):
            assert read_image(bytes(content), max_pixels=1_000_000).shape[2] == 3


def test_missing_folder_and_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path / "absent.jpg").reason == "missing"
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "absent.jpg")
    assert refusal(tmp_path / "dangling.jpg").reason == "missing"
    assert refusal(tmp_path).reason == "unreadable"

    def deny(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.jpg").write_bytes(b"x")
    monkeypatch.setattr(Path, "open", deny)
    error = refusal(tmp_path / "secret.jpg")
    assert error.reason == "unreadable"
    assert "Permission denied" in str(error)


@pytest.mark.parametrize("side", [8_000, 10_000, 20_000])
def test_pixel_limit_stops_at_the_header(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = huge_png(side)
    assert len(content) < 300_000
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("pixels were decoded"))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert refusal(content).reason == "too_large"
    assert not heard


def test_pixel_limit_is_inclusive_and_named() -> None:
    content = encoded(photo(), "PNG")
    assert read_image(content, max_pixels=HEIGHT * WIDTH).shape == photo().shape
    assert "36 x 24 pixels, more than the 863 allowed" in str(refusal(content, max_pixels=HEIGHT * WIDTH - 1))


def test_a_jpeg_of_many_scans_is_a_bomb_in_time(tmp_path: Path) -> None:
    sound = encoded(photo(), "JPEG", progressive=True)
    last = sound.rindex(b"\xff\xda")
    scans = sound.count(b"\xff\xda")

    def of(count: int) -> bytes:
        return sound[:last] + sound[last:-2] * (count - scans + 1) + b"\xff\xd9"

    assert read_image(of(MAX_SCANS)).shape == photo().shape
    path = tmp_path / "bomb.jpg"
    path.write_bytes(of(MAX_SCANS + 1))
    error = refusal(path)
    assert error.reason == "too_large"
    assert error.message == f"{path} has more than the {MAX_SCANS} scans allowed"


def test_pillows_own_limit_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH - 1)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert read_image(encoded(photo(), "PNG")).shape == photo().shape
    assert not heard


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    content = encoded(photo(), "PNG")
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda _: read_image(content), range(200)))
    assert len(images) == 200
    assert warnings.filters == before


def test_error_survives_a_trip_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ImageError("damaged", "a.jpg is cut short")))
    assert (error.reason, str(error)) == ("damaged", "a.jpg is cut short")


@pytest.mark.parametrize("image", [photo(), photo()[..., 0]])
def test_write_image_is_lossless(tmp_path: Path, image: np.ndarray) -> None:
    write_image(tmp_path / "deep" / "a.png", image)
    expected = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    np.testing.assert_array_equal(read_image(tmp_path / "deep" / "a.png"), expected)
