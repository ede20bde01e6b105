from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import WeightsError
from fiqa.models.checkpoint import RegressorRecord, load_regressor, save_regressor, state_digest
from fiqa.models.regressor import HEADS, Head, Regressor
from fiqa.models.torch_recogniser import TorchRecogniser
from networks import SPEC, chain, tiny_recogniser


def record_of(recogniser: TorchRecogniser) -> RegressorRecord:
    return RegressorRecord(
        recogniser=recogniser.name,
        recogniser_digest=state_digest(recogniser.module),
        spec=recogniser.spec,
        dimension=recogniser.dimension,
        label_method="embedding_norm",
        targets="rank",
        cut="t3",
        settings={"epochs": 3, "loss": "l1"},
        validation={"validation_loss": 0.1, "spearman": None},
        inputs={"crops": "ab12"},
    )


@pytest.fixture
def recogniser() -> TorchRecogniser:
    return tiny_recogniser()


@pytest.fixture
def saved(recogniser: TorchRecogniser, tmp_path: Path) -> tuple[Path, Regressor]:
    regressor = Regressor(tiny_recogniser(seed=1).module, recogniser.dimension)
    path = tmp_path / "regressor.pt"
    save_regressor(path, regressor, record=record_of(recogniser))
    return path, regressor


def rewrite(path: Path, **changes: Any) -> None:
    torch.save({**torch.load(path, weights_only=True), **changes}, path)


def test_round_trip_keeps_every_tensor_and_the_record(
    saved: tuple[Path, Regressor], recogniser: TorchRecogniser
) -> None:
    path, regressor = saved
    before = state_digest(recogniser.module)
    loaded, record = load_regressor(path, recogniser=recogniser)
    assert record == record_of(recogniser)
    assert not loaded.training
    state = loaded.state_dict()
    assert set(state) == set(regressor.state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in regressor.state_dict().items())
    assert state_digest(recogniser.module) == before


def test_without_a_recogniser_the_recorded_name_is_looked_up(
    saved: tuple[Path, Regressor], recogniser: TorchRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "fiqa.models.checkpoint.load_torch_recogniser", lambda name: asked.append(name) or recogniser
    )
    load_regressor(saved[0])
    assert asked == ["tiny"]


def test_another_backbone_is_refused_naming_both(saved: tuple[Path, Regressor]) -> None:
    other = tiny_recogniser(seed=5, name="other")
    with pytest.raises(WeightsError, match=r"'tiny' with weights [0-9a-f]{64}, got 'other' with weights"):
        load_regressor(saved[0], recogniser=other)


def test_tensors_that_do_not_fit_are_listed(
    saved: tuple[Path, Regressor], recogniser: TorchRecogniser
) -> None:
    path, _ = saved
    state = torch.load(path, weights_only=True)["state"]
    del state["head.bias"]
    state["head.weight"] = torch.zeros(1, 9)
    state["extra"] = torch.zeros(2)
    rewrite(path, state=state)
    expected = (
        r"1 missing: head\.bias; 1 unexpected: extra; "
        r"1 of another shape: head\.weight \(1, 9\) instead of \(1, 8\)"
    )
    with pytest.raises(WeightsError, match=expected):
        load_regressor(path, recogniser=recogniser)


def test_other_files_are_refused(tmp_path: Path, saved: tuple[Path, Regressor]) -> None:
    with pytest.raises(WeightsError, match="there is no regressor checkpoint"):
        load_regressor(tmp_path / "absent.pt")
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(saved[0].read_bytes()[:-200])
    with pytest.raises(WeightsError, match="damaged or no checkpoint"):
        load_regressor(damaged)
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(WeightsError, match="no fiqa-regressor file"):
        load_regressor(tmp_path / "foreign.pt")
    rewrite(saved[0], version=99)
    with pytest.raises(WeightsError, match="format version 99, this package reads up to 2"):
        load_regressor(saved[0])


def test_a_file_of_version_1_is_a_linear_head_that_learnt_labels(
    tmp_path: Path, recogniser: TorchRecogniser
) -> None:
    spec = {"size": 16, "crop": "arcface", "colour": "rgb", "mean": 127.5, "std": 64.0}
    old = {
        "recogniser": "tiny",
        "recogniser_digest": state_digest(recogniser.module),
        "spec": spec,
        "dimension": 8,
        "label_method": "faceqan",
        "targets": "rank",
        "cut": "t3",
        "settings": {"layers": "last-block"},
        "validation": {"step": 5},
        "inputs": {"crops": "ab12"},
    }
    state = {f"backbone.{name}": tensor for name, tensor in recogniser.module.state_dict().items()}
    state |= {"head.weight": torch.full((1, 8), 0.5), "head.bias": torch.ones(1)}
    torch.save({"format": "fiqa-regressor", "version": 1, "record": old, "state": state}, tmp_path / "r.pt")
    regressor, record = load_regressor(tmp_path / "r.pt", recogniser=recogniser)
    assert (record.head, record.objective, record.options) == ("linear", "labels", {})
    assert record.teacher == "faceqan"
    images = torch.zeros(2, 3, 16, 16)
    with torch.inference_mode():
        expected = 0.5 * recogniser.module(images).sum(dim=1) + 1
        torch.testing.assert_close(regressor(images), expected)


@pytest.mark.parametrize("head", list(HEADS))
def test_every_head_survives_the_round_trip(tmp_path: Path, recogniser: TorchRecogniser, head: Head) -> None:
    regressor = Regressor(tiny_recogniser(seed=1).module, 8, head=head).eval()
    record = replace(record_of(recogniser), head=head, objective="ediffiqa", options={"least": 2})
    save_regressor(tmp_path / "r.pt", regressor, record=record)
    loaded, found = load_regressor(tmp_path / "r.pt", recogniser=recogniser)
    assert found == record
    assert found.teacher == "ediffiqa on embedding_norm"
    assert replace(found, label_method="").teacher == "ediffiqa"
    images = torch.ones(2, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(loaded(images), regressor(images))


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code inside a checkpoint was run",))


def test_a_file_with_code_in_it_is_refused_unrun(tmp_path: Path) -> None:
    torch.save({"format": "fiqa-regressor", "version": 1, "record": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(WeightsError, match="holds more than plain tensors"):
        load_regressor(tmp_path / "trap.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(WeightsError, match="damaged or no checkpoint"):
        load_regressor(tmp_path / "plain.pt")


def test_an_interrupted_write_leaves_the_former_file(
    saved: tuple[Path, Regressor], recogniser: TorchRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, regressor = saved

    def full_disk(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        save_regressor(path, regressor, record=replace(record_of(recogniser), targets="minmax"))
    monkeypatch.undo()
    assert load_regressor(path, recogniser=recogniser)[1].targets == "rank"
    assert [file.name for file in path.parent.iterdir()] == ["regressor.pt"]


def test_the_record_is_plain_data(recogniser: TorchRecogniser) -> None:
    assert json.loads(json.dumps(asdict(record_of(recogniser))))["spec"]["size"] == SPEC.size


def test_the_digest_sees_names_values_shapes_and_types() -> None:
    values = torch.arange(6.0)

    def digest(name: str, tensor: torch.Tensor) -> str:
        module = nn.Module()
        module.register_buffer(name, tensor)
        return state_digest(module)

    variants = [
        ("a", values),
        ("b", values),
        ("a", values + 1e-6),
        ("a", values.reshape(2, 3)),
        ("a", values.double()),
    ]
    assert len({digest(*variant) for variant in variants}) == len(variants)
    assert digest("a", values) == digest("a", values.clone())


def test_scores_survive_the_round_trip_to_the_last_bit(tmp_path: Path, rng: np.random.Generator) -> None:
    module = chain(nn.Flatten(), nn.Linear(3 * 16 * 16, 8))
    recogniser = TorchRecogniser("flat", SPEC, module=module)
    regressor = Regressor(recogniser.module, 8).eval()
    save_regressor(tmp_path / "r.pt", regressor, record=record_of(recogniser))
    images = torch.from_numpy(rng.normal(size=(4, 3, 16, 16)).astype(np.float32))
    loaded, _ = load_regressor(tmp_path / "r.pt", recogniser=recogniser)
    with torch.inference_mode():
        assert torch.equal(loaded(images), regressor(images))
