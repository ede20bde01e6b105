from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fiqa import __version__
from fiqa.core.errors import DataError
from fiqa.io.provenance import Provenance, digest


def test_round_trip_through_json() -> None:
    provenance = Provenance("scores", settings={"method": "x", "k": 3}, inputs={"crops": "ab"}, seed=7)
    assert Provenance.from_json(json.loads(json.dumps(provenance.to_json()))) == provenance
    assert provenance.producer == f"fiqa {__version__}"


def test_other_fields_are_refused() -> None:
    with pytest.raises(DataError, match=r"provenance must have inputs, kind, .*, got colour, kind"):
        Provenance.from_json({"kind": "scores", "colour": "red"})


def test_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_digest_of_a_folder_follows_names_and_content_alone(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, bytes]) -> str:
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return digest(tmp_path / name)

    base = folder("base", {"a": b"1", "s/b": b"2"})
    assert folder("same", {"s/b": b"2", "a": b"1"}) == base
    assert folder("leftover", {"a": b"1", "s/b": b"2", ".tmp-123-c": b"half"}) == base
    assert folder("content", {"a": b"1", "s/b": b"3"}) != base
    assert folder("renamed", {"a": b"1", "s/c": b"2"}) != base
    assert folder("swapped", {"a": b"2", "s/b": b"1"}) != base
    assert folder("more", {"a": b"1", "s/b": b"2", "c": b""}) != base


def test_a_broken_link_in_a_folder_counts_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("absent")
    first = digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest(tmp_path) != first


def test_digest_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent cannot be read: No such file"):
        digest(tmp_path / "absent")
