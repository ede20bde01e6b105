"""What is read of files of others, and what is refused."""

from __future__ import annotations

import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from fiqa.core.errors import MissingDependencyError, WeightsError
from fiqa.models.state_file import read_state

STATE = {"a.weight": torch.arange(600.0).reshape(20, 30), "a.count": torch.tensor(3)}


class Code:
    """Unpickling it makes a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def saved(path: Path, content: object, *, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def same(found) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_tensors_by_name(zipped, wrapper, tmp_path):
    content = {"epoch": 1, wrapper: STATE, "arch": "iresnet100"} if wrapper else STATE
    assert same(read_state(saved(tmp_path / "w.pth", content, zipped=zipped)))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_named_and_not_run(zipped, tmp_path):
    path = saved(tmp_path / "w.pth", {**STATE, "evil": Code(tmp_path / "made")}, zipped=zipped)
    with pytest.raises(WeightsError, match=r"w\.pth asks for (posix|nt)\.mkdir, .* was not opened"):
        read_state(path)
    assert not (tmp_path / "made").exists()


def test_a_plain_pickle_is_not_opened(tmp_path):
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps(Code(tmp_path / "made")))
    with pytest.raises(WeightsError, match="is no checkpoint of plain tensors"):
        read_state(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_file_that_is_cut_short(zipped, share, tmp_path):
    path = saved(tmp_path / "w.pth", STATE, zipped=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(WeightsError, match=r"w\.pth is cut short; fetch it again"):
        read_state(path)


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.txt", "no tensors")


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


@pytest.mark.parametrize(
    "write",
    [
        other_zip,
        npz,
        lambda path: path.write_text("hello world"),
        lambda path: path.write_text("<!DOCTYPE html><html>the download page</html>"),
        lambda path: path.write_bytes(b"\x00" * 100),
    ],
    ids=["zip", "npz", "text", "page", "zeros"],
)
def test_a_file_of_another_kind(write, tmp_path):
    write(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth is no checkpoint"):
        read_state(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no table of tensors"),
        ([torch.zeros(2)], "holds no table of tensors"),
        (torch.zeros(2), "holds no table of tensors"),
        ({"epoch": 3, "weights": STATE}, "'epoch' is none; expected one, or one under state_dict or model"),
    ],
)
def test_content_without_a_table_of_tensors(content, message, tmp_path):
    with pytest.raises(WeightsError, match=message):
        read_state(saved(tmp_path / "w.pth", content))


def test_an_absent_file(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no weights file at .*gone\.pth"):
        read_state(tmp_path / "gone.pth")


@pytest.fixture
def lightning(monkeypatch):
    """A package of that name that can be pickled from, gone again before reading."""
    module = types.ModuleType("pytorch_lightning.callbacks")

    class ModelCheckpoint:
        def __init__(self, best=1.0):
            self.best = best

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = module.__name__, "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint
    for name in ("pytorch_lightning", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    before = torch.serialization.get_safe_globals()
    yield ModelCheckpoint
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_classes_of_a_trainer_are_passed_over(lightning, monkeypatch, tmp_path):
    content = {"callbacks": {lightning: {"best": 0.5}}, "hyper": lightning(2.0), "state_dict": STATE}
    path = saved(tmp_path / "adaface.ckpt", content)
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.delitem(sys.modules, name)
    assert same(read_state(path))
    assert "pytorch_lightning" not in sys.modules


def test_code_beside_classes_of_a_trainer_is_not_run(lightning, tmp_path):
    content = {"hyper": lightning(), "evil": Code(tmp_path / "made"), "state_dict": STATE}
    with pytest.raises(WeightsError, match=r"asks for (posix|nt)\.mkdir"):
        read_state(saved(tmp_path / "adaface.ckpt", content))
    assert not (tmp_path / "made").exists()


def test_safetensors(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "w.safetensors"
    save_file(STATE, path)
    assert same(read_state(path))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"w\.safetensors is damaged or no safetensors file"):
        read_state(path)


def test_without_safetensors_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(
        MissingDependencyError, match=r"safetensors is needed to read a .safetensors file: pip"
    ):
        read_state(tmp_path / "w.safetensors")
