from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fiqa.core.errors import WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.core.registry import Registry
from fiqa.models import published
from fiqa.models.layouts import LAYOUTS
from fiqa.models.published import Mismatch, identify, load_published
from official import OFFICIAL, random_state

FILE = Path("file.pth")
NAMES = tuple(OFFICIAL)


def empty(name: str) -> dict[str, Tensor]:
    """Tensors without memory under the official names."""
    return {key: torch.empty(shape, device="meta") for key, shape in OFFICIAL[name].items()}


@pytest.fixture
def found(monkeypatch):
    """What `identify` says of given tensors."""

    def of(state):
        monkeypatch.setattr(published, "read_state", lambda path: state)
        return identify(FILE)

    return of


def test_every_layout_is_written_down_in_the_tests():
    assert set(LAYOUTS.names) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_official_file_is_recognised(name, found):
    checkpoint = found(empty(name))
    assert checkpoint.layout.name == name
    assert len(checkpoint.state) == checkpoint.layout.entries == len(OFFICIAL[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_near_miss_is_refused(name, found):
    """One key missing, one of another shape, one too many: the layout and the key are named."""
    official = empty(name)
    key = [key for key in official if key.endswith("weight")][len(official) // 7]
    wrappers = sorted(LAYOUTS.get(name).wrappers, key=len, reverse=True)
    inner = key.removeprefix(next(word for word in wrappers if key.startswith(word)))
    start = rf"file\.pth has %d tensors of no known layout; nearest is {name} with {len(official)}: "
    fewer = {other: tensor for other, tensor in official.items() if other != key}
    with pytest.raises(WeightsError, match=f"{start % len(fewer)}1 missing: {re.escape(inner)}$"):
        found(fewer)
    shape = tuple(official[key].shape)
    reshaped = official | {key: torch.empty((*shape, 2), device="meta")}
    told = re.escape(f"1 of another shape: {inner} {(*shape, 2)} instead of {shape}")
    with pytest.raises(WeightsError, match=f"{start % len(reshaped)}{told}$"):
        found(reshaped)
    more = official | {f"{key}.extra": torch.empty(3)}
    with pytest.raises(WeightsError, match=rf"{start % len(more)}1 unexpected: {re.escape(inner)}\.extra$"):
        found(more)


@pytest.mark.parametrize("name", NAMES)
def test_counters_may_be_missing_all_together(name, found):
    official = empty(name)
    counters = [key for key in official if key.endswith("num_batches_tracked")]
    without = {key: tensor for key, tensor in official.items() if key not in counters}
    assert found(without).layout.name == name
    with pytest.raises(WeightsError, match=r"1 missing: .*num_batches_tracked$"):
        found({key: tensor for key, tensor in official.items() if key != counters[0]})


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.split("-")[0] not in ("magface", "insightface")]
)
def test_the_usual_wrappers_are_taken_off(name, found):
    official = OFFICIAL[name]
    own = next(word for word in ("model.", "module.", "") if all(key.startswith(word) for key in official))
    bare = {key.removeprefix(own): torch.empty(shape, device="meta") for key, shape in official.items()}
    for wrapper in ("", "module.", "model."):
        checkpoint = found({f"{wrapper}{key}": tensor for key, tensor in bare.items()})
        assert checkpoint.layout.name == name
        assert set(checkpoint.state) == set(bare)


def test_magface_is_told_from_arcface_by_what_stands_before_the_names(found):
    arcface = empty("arcface-iresnet50")
    for wrapper in ("features.module.", "module.features.", "features."):
        assert found({f"{wrapper}{key}": value for key, value in arcface.items()}).layout.name == (
            "magface-iresnet50"
        )
    assert found(arcface).layout.name == "arcface-iresnet50"


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("magface-iresnet18", ["parallel_fc.weight"]),
        ("magface-iresnet18", ["fc.weight"]),
        ("adaface-ir18", ["head.kernel", "head.t", "head.batch_mean", "head.batch_std"]),
    ],
)
def test_what_only_training_used_may_be_there(name, names, found):
    extra = {key: torch.empty(5) for key in names}
    checkpoint = found(empty(name) | extra)
    assert checkpoint.layout.name == name
    assert len(checkpoint.state) == checkpoint.layout.entries
    with pytest.raises(WeightsError, match=r"1 unexpected: body\.weight"):
        found(empty(name) | extra | {"body.weight": torch.empty(5)})


def test_curricularface_and_adaface_are_not_exchanged(found):
    """One normalisation a block tells them apart, and neither fits the other's block."""
    curricular = published.expected_shapes(LAYOUTS.get("curricularface-ir101"))
    ada = published.expected_shapes(LAYOUTS.get("adaface-ir101"))
    assert len(Mismatch.between(curricular, ada)) > 300
    assert len(Mismatch.between(ada, curricular)) > 300
    key = "body.7.res_layer.5.weight"
    with pytest.raises(WeightsError, match="nearest is curricularface-ir101 with 672: 1 unexpected: "):
        found(empty("curricularface-ir101") | {key: torch.empty(128)})


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        (
            "curricularface-ir101",
            "adaface",
            "of curricularface; adaface has adaface-ir18, adaface-ir50, adaface",
        ),
        ("adaface-ir101", "curricularface", "of adaface; curricularface has curricularface-ir101"),
        ("arcface-iresnet100", "magface", "of arcface; magface has magface-iresnet18"),
        ("magface-iresnet100", "arcface", "of magface; arcface has arcface-iresnet18"),
        (
            "cr-fiqa-iresnet100",
            "arcface",
            "it is a quality model and no recogniser; score with it by --method cr_fiqa --weights file.pth",
        ),
    ],
)
def test_a_file_of_another_recogniser_is_refused(name, asked, message, monkeypatch):
    monkeypatch.setattr(published, "read_state", lambda path: empty(name))
    with pytest.raises(WeightsError, match=rf"file\.pth has the layout {name}:? {re.escape(message)}"):
        load_published(FILE, kind="recogniser", method=asked)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "arcface-iresnet50",
            "it is a recogniser and no quality model; name it by --recogniser torch:file.pth",
        ),
        ("diffiqa-r-iresnet100", "of diffiqa_r; cr_fiqa has cr-fiqa-iresnet50, cr-fiqa-iresnet100"),
    ],
)
def test_a_file_of_another_method_is_refused(name, message, monkeypatch):
    monkeypatch.setattr(published, "read_state", lambda path: empty(name))
    with pytest.raises(WeightsError, match=rf"has the layout {name}:? {re.escape(message)}"):
        load_published(FILE, kind="quality", method="cr_fiqa")


def test_a_file_of_something_else(found):
    with pytest.raises(WeightsError, match=r"file\.pth has 2 tensors of no known network: a, b$"):
        found({"a": torch.empty(2), "b": torch.empty(2)})


@pytest.fixture(scope="module")
def state():
    return random_state("ediffiqa-mobilefacenet")


@pytest.mark.parametrize("way", ["zip", "old zip", "half", "wrapped", "safetensors"])
@torch.inference_mode()
def test_every_kind_of_file_gives_the_same_network(way, state, tmp_path):
    path = tmp_path / ("t.safetensors" if way == "safetensors" else "t.pth")
    if way == "safetensors":
        save_file(state, path)
    elif way == "half":
        torch.save(
            {key: value.half() if value.is_floating_point() else value for key, value in state.items()}, path
        )
    else:
        content = {"epoch": 3, "model": state, "optimizer": {"lr": [0.1]}} if way == "wrapped" else state
        torch.save(content, path, _use_new_zipfile_serialization=way != "old zip")
    module = load_published(path, kind="quality", method="ediffiqa").module()
    reference = LAYOUTS.get("ediffiqa-mobilefacenet").build()
    reference.load_state_dict(state)
    crops = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert not module.training
    assert next(module.parameters()).dtype == torch.float32
    tolerance = 2e-2 if way == "half" else 0
    torch.testing.assert_close(module(crops), reference.eval()(crops), rtol=tolerance, atol=tolerance)


def test_a_network_owns_its_weights(state, tmp_path):
    """The file may go once it is read, and counters that it lacks are 0."""
    path = tmp_path / "t.pth"
    torch.save({key: value for key, value in state.items() if "num_batches" not in key}, path)
    module = identify(path).module()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    total = sum(tensor.double().sum().item() for tensor in module.state_dict().values())
    expected = sum(value.double().sum().item() for key, value in state.items() if "num_batches" not in key)
    assert total == pytest.approx(expected)


def test_layouts_say_how_crops_are_wanted():
    specs = {layout.name: layout.spec for layout in LAYOUTS}
    assert specs["magface-iresnet100"] == InputSpec(colour="bgr", mean=0, std=255)
    assert specs["adaface-ir101"] == InputSpec(colour="bgr", mean=127.5, std=127.5)
    assert specs["insightface-mxnet-iresnet100"] == InputSpec(mean=127.5, std=128)
    own = ("magface", "adaface", "insightface")
    others = {spec for name, spec in specs.items() if not name.startswith(own)}
    assert others == {InputSpec(mean=127.5, std=127.5)}
    assert all(layout.licence and layout.source and layout.summary for layout in LAYOUTS)


def test_a_layout_is_one_row(monkeypatch, found):
    """A row with a builder of its own is enough for a file to be recognised."""
    row = replace(LAYOUTS.get("curricularface-ir101"), name="small", arguments=(18,), entries=131)
    monkeypatch.setattr(published, "LAYOUTS", Registry("layout", (row,)))
    shapes = published.expected_shapes(row)
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert found(state).layout is row
    assert np.prod(state["output_layer.3.weight"].shape) == 512 * 25088
