"""Archives in the true formats, written by hand for the tests of several packages."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MAGIC = struct.pack("<I", 0xCED7230A)


def write_bin(path: Path, images: Sequence[Any], mated: Sequence[Any], *, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps((list(images), list(mated)), protocol=protocol))
    return path


def pack(data: bytes) -> bytes:
    """A record as dmlc-core writes it: split where the magic number stands at a multiple of four bytes."""
    parts, start = [], 0
    for at in range(0, len(data) // 4 * 4, 4):
        if data[at : at + 4] == MAGIC:
            parts.append(data[start:at])
            start = at + 4
    parts.append(data[start:])
    kinds = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", kind << 29 | len(part)) + part + bytes(-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def record(labels: float | Sequence[float], image: bytes, key: int) -> bytes:
    """Header, further labels and image of a record."""
    if isinstance(labels, (int, float)):
        return struct.pack("<IfQQ", 0, labels, key, 0) + image
    header = struct.pack("<IfQQ", len(labels), 0.0, key, 0)
    return header + struct.pack(f"<{len(labels)}f", *labels) + image


def write_records(path: Path, records: dict[int, bytes]) -> Path:
    """Write records and the index beside them."""
    content, lines = b"", []
    for key, data in records.items():
        lines.append(f"{key}\t{len(content)}\n")
        content += pack(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_suffix(".idx").write_text("".join(lines))
    return path


def training_set(images: Sequence[bytes], labels: Sequence[float]) -> dict[int, bytes]:
    """Records as insightface lays them out: ranges first, then images, then one record a subject."""
    n_images, subjects = len(images), sorted(set(labels))
    records = {0: record([n_images + 1, n_images + 1 + len(subjects)], b"", 0)}
    for key, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
        records[key] = record(label, image, key)
    for key, subject in enumerate(subjects, start=n_images + 1):
        rows = [row for row, label in enumerate(labels, start=1) if label == subject]
        records[key] = record([rows[0], rows[-1] + 1], b"", key)
    return records
