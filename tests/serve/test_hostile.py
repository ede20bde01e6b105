"""Files that nobody sends by accident: each gets an answer with a reason, soon, and the service goes on."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from fiqa.deploy.scorer import Scorer
from fiqa.serve.schema import ImageReason
from served import encoded, picture, running

SECONDS = 50
"""In which a request has to be answered, on slow machines too; most take milliseconds."""


@pytest.fixture(scope="module")
def service(model):
    """With the real detector."""
    with running(Scorer(model, face="all", threads=1)) as client:
        yield client


def judged(client, *contents):
    """What is said of the images; each has faces or a problem."""
    start = time.perf_counter()
    answer = client.post("/v1/score", files=[("images", content) for content in contents])
    assert answer.status_code == 200, answer.text
    assert time.perf_counter() - start < SECONDS
    images = answer.json()["images"]
    assert len(images) == len(contents)
    for image in images:
        assert bool(image["faces"]) == (image["problem"] is None)
        assert image["problem"] is None or image["problem"]["reason"] in get_args(ImageReason)
    return images


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, pixels: bytes = b"", extra: bytes = b"") -> bytes:
    """A grey PNG whose header says so, whatever its pixels are."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(pixels, 9))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def tiff(width: int, height: int) -> bytes:
    """The head of a grey TIFF of one strip."""
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 200), (278, height), (279, 9)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(200)


def frames(count: int) -> bytes:
    """An animation."""
    first, *rest = [Image.fromarray(picture(level)) for level in np.linspace(10, 250, count).astype(int)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest)
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("index.html", "<script>alert(1)</script>")
    return file.getvalue()


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
LAUGHS = (
    b'<!DOCTYPE s [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<svg xmlns="http://www.w3.org/2000/svg"><text>&b;&b;&b;&b;</text></svg>'
)
REFUSED = {
    "nothing": (b"", "not_an_image"),
    "text": (b"hello", "not_an_image"),
    "svg": (SVG, "not_an_image"),
    "laughs": (LAUGHS, "not_an_image"),
    "pdf": (b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj", "not_an_image"),
    "html": (b"<html><script>alert(1)</script></html>", "not_an_image"),
    "archive": (zipped(), "not_an_image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
    "head alone": (b"\x89PNG\r\n\x1a\n", "not_an_image"),
    "bomb of a header": (png(2**31 - 1, 2**31 - 1), "too_large"),
    "jpeg header": (
        encoded(picture(90), "JPEG").replace(struct.pack(">HH", 90, 100), b"\xff\xdc\xff\xdc"),
        "too_large",
    ),
    "pnm header": (b"P6 99999 99999 255\n", "too_large"),
    "gif header": (b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;", "too_large"),
    "tiff header": (tiff(90_000, 90_000), "too_large"),
    "no pixels": (png(300, 300), "damaged"),
    "line": (encoded(np.zeros((1, 20_000, 3), np.uint8)), "too_small"),
    "cut": (encoded(picture(120), "JPEG")[:900], "damaged"),
    "zero pixels": (png(0, 0), "not_an_image"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_a_reason(service, kind):
    content, reason = REFUSED[kind]
    (image,) = judged(service, content)
    assert image["problem"]["reason"] == reason


@pytest.fixture(scope="module")
def zeros():
    """A hundred million of them and a little more."""
    return bytes(100_010_000)


def test_a_hundred_million_pixels(service, zeros):
    (image,) = judged(service, png(10_000, 10_000, pixels=zeros))
    assert image["problem"]["reason"] == "too_large"
    assert "10000 x 10000 pixels, more than the 50000000 allowed" in image["problem"]["message"]


def test_text_in_an_image_may_not_grow_without_end(service, zeros):
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(zeros, 9))
    profile = chunk(b"iCCP", b"x\0\0" + zlib.compress(zeros, 9))
    pixels = bytes(301 * 300)
    for extra in (text, profile, text * 100):
        (image,) = judged(service, png(300, 300, pixels=pixels, extra=extra))
        assert image["problem"]["reason"] in ("no_face", "damaged")


@pytest.mark.parametrize(
    "content",
    [
        encoded(picture(120), "JPEG") + zipped(),
        encoded(picture(120), "GIF") + b"/*<script>alert(1)</script>*/",
        encoded(picture(120), "JPEG", exif=b"Exif\0\0" + bytes(60_000)),
        frames(40),
        encoded(picture(120)[..., 0].astype(np.uint16) * 257),
        encoded(np.zeros((16, 100_000, 3), np.uint8)),
        encoded(np.zeros((100_000, 17, 3), np.uint8)),
    ],
    ids=["archive behind", "script behind", "huge exif", "animated", "16 bits", "ribbon", "tower"],
)
def test_odd_but_sound(service, content):
    (image,) = judged(service, content)
    assert image["problem"]["reason"] == "no_face"
    assert image["width"] >= 16


def test_a_bomb_in_time(service):
    """Each scan of a progressive JPEG costs a pass over all of its pixels."""
    bomb = encoded(np.zeros((4000, 4000, 3), np.uint8), "JPEG", progressive=True)
    last = bomb.rindex(b"\xff\xda")
    (image,) = judged(service, bomb[:-2] + bomb[last:-2] * 20_000 + b"\xff\xd9")
    assert image["problem"]["reason"] == "too_large"


def mutated(seed_files: list[bytes], count: int, rng: np.random.Generator) -> list[bytes]:
    """Files cut short, with bits flipped, with a hole, a part doubled, or another head."""
    made = []
    for number in range(count):
        content = bytearray(seed_files[number % len(seed_files)])
        start, end = np.sort(rng.integers(0, len(content), 2))
        match number // len(seed_files) % 5:
            case 0:
                del content[start:]
            case 1:
                for place in rng.integers(0, len(content), rng.integers(1, 30)):
                    content[place] ^= 1 << int(rng.integers(8))
            case 2:
                content[start:end] = bytes(end - start)
            case 3:
                content[start:start] = content[start:end]
            case _:
                other = seed_files[rng.integers(len(seed_files))]
                content[:24] = other[:24]
        made.append(bytes(content))
    return made


@pytest.mark.slow
def test_two_thousand_mutated_images(service, photos, rng):
    photo = np.asarray(Image.open(photos / "s1" / "1.png").convert("RGB"))
    deep = encoded(photo[..., 0].astype(np.uint16) * 257)
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
    seed_files = [*(encoded(photo, kind) for kind in kinds), encoded(photo, "JPEG", progressive=True), deep]
    before = judged(service, *seed_files)
    assert all(image["faces"] for image in before)
    files, reasons = mutated(seed_files, 2000, rng), []
    for start in range(0, len(files), 20):
        images = judged(service, *files[start : start + 20])
        reasons += [image["problem"] and image["problem"]["reason"] for image in images]
    assert {None, "damaged", "not_an_image"} <= set(reasons)
    assert judged(service, *seed_files) == before
