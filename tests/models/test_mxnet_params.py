"""Parameter files as MXNet writes them, written here byte by byte."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from fiqa.core.errors import WeightsError
from fiqa.core.registry import Registry
from fiqa.models import published
from fiqa.models.layouts import LAYOUTS
from fiqa.models.mxnet_params import read_params, torch_names
from fiqa.models.published import identify
from fiqa.models.state_file import read_state
from official import BLOCKS, random_state

TYPES = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6}


def array_bytes(array: np.ndarray, *, version: int = 2, sparse: int = 0) -> bytes:
    head = struct.pack("<I", {1: 0xF993FAC8, 2: 0xF993FAC9}[version])
    if version == 2:
        head += struct.pack("<i", sparse)
    head += struct.pack("<I", array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
    return head + struct.pack("<iii", 1, 0, TYPES[str(array.dtype)]) + array.tobytes()


def params_bytes(arrays: dict[str, np.ndarray], **form: int) -> bytes:
    body = struct.pack("<QQQ", 0x112, 0, len(arrays))
    body += b"".join(array_bytes(array, **form) for array in arrays.values())
    names = [name.encode() for name in arrays]
    return body + struct.pack("<Q", len(names)) + b"".join(struct.pack("<Q", len(n)) + n for n in names)


@pytest.mark.parametrize("version", [1, 2])
def test_arrays_by_name(version, tmp_path, rng):
    arrays = {f"arg:{kind}": rng.integers(0, 99, (2, 3, 4)).astype(kind) for kind in TYPES}
    path = tmp_path / "x.params"
    path.write_bytes(params_bytes(arrays, version=version))
    found = read_params(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_is_no_such_list_is_refused(tmp_path):
    path = tmp_path / "x.params"
    whole = params_bytes({"arg:a": np.zeros((3, 4), np.float32)})
    for end in range(8, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(WeightsError, match=r"x\.params is damaged or no list .*: the file ends"):
            read_state(path)
    path.write_bytes(params_bytes({"arg:a": np.zeros(3, np.float32)}, sparse=1))
    with pytest.raises(WeightsError, match="a sparse array"):
        read_state(path)
    path.write_bytes(struct.pack("<QQQI", 0x112, 0, 1, 4))
    with pytest.raises(WeightsError, match="unknown version 0x4"):
        read_state(path)
    path.write_bytes(whole[: -len("arg:a") - 16] + struct.pack("<Q", 0))
    with pytest.raises(WeightsError, match="1 arrays and 0 names"):
        read_state(path)


def mxnet_arrays(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """An iresnet under the names that InsightFace's MXNet program gives its parameters."""
    top = {"conv1": "conv0", "bn1": "bn0", "prelu": "relu0", "bn2": "bn1", "fc": "pre_fc1", "features": "fc1"}
    block = {"prelu": "relu1", "downsample.0": "conv1sc", "downsample.1": "sc"}
    arrays = {}
    for key, tensor in state.items():
        layer, _, kind = key.removeprefix("mxnet.").rpartition(".")
        if kind == "num_batches_tracked":
            continue
        slopes = kind == "weight" and tensor.ndim == 1
        kind = {"running_mean": "moving_mean", "running_var": "moving_var"}.get(kind, kind)
        if slopes or (kind == "bias" and "fc" not in layer):
            kind = "gamma" if kind == "weight" else "beta"
        if placed := re.fullmatch(r"layer(\d)\.(\d+)\.(.+)", layer):
            stage, number, inner = placed.groups()
            name = f"stage{stage}_unit{int(number) + 1}_{block.get(inner, inner)}_{kind}"
        else:
            name = f"{top[layer]}_{kind}"
        arrays[f"{'aux' if 'moving' in kind else 'arg'}:{name}"] = tensor.numpy()
    return arrays


def test_names_of_insightface_are_translated():
    found = torch_names(
        {
            "arg:conv0_weight": np.ones(1),
            "arg:relu0_gamma": np.ones(2),
            "arg:stage3_unit12_conv1sc_weight": np.ones(3),
            "aux:stage1_unit1_sc_moving_var": np.ones(4),
            "arg:stage2_unit3_relu1_gamma": np.ones(5),
            "arg:pre_fc1_bias": np.ones(6),
            "arg:fc1_gamma": np.full(7, 9.0),
            "arg:fc1_beta": np.full(8, 9.0),
            "arg:fc7_weight": np.ones(9),
        }
    )
    assert [(name, len(array)) for name, array in found.items()] == [
        ("mxnet.conv1.weight", 1),
        ("mxnet.prelu.weight", 2),
        ("mxnet.layer3.11.downsample.0.weight", 3),
        ("mxnet.layer1.0.downsample.1.running_var", 4),
        ("mxnet.layer2.2.prelu.weight", 5),
        ("mxnet.fc.bias", 6),
        ("mxnet.features.weight", 7),
        ("mxnet.features.bias", 8),
        ("arg:fc7_weight", 9),
    ]
    assert (found["mxnet.features.weight"] == 1).all()
    assert (found["mxnet.features.bias"] == 9).all()


def test_the_official_network_is_recognised_and_the_fixed_scale_is_one(tmp_path, monkeypatch):
    """All 49 blocks by name; tensors without memory of their own stand in for the large ones."""
    assert sum(BLOCKS[100]) == 49
    shapes = published.expected_shapes(LAYOUTS.get("insightface-mxnet-iresnet100"))
    state = {f"mxnet.{key}": torch.zeros(1).expand(shape or (1,)) for key, shape in shapes.items()}
    arrays = mxnet_arrays(state)
    assert len(arrays) == 925 - sum("num_batches" in key for key in shapes)
    translated = {name: torch.from_numpy(array) for name, array in torch_names(arrays).items()}
    monkeypatch.setattr(published, "read_state", lambda path: translated)
    checkpoint = identify(tmp_path)
    assert checkpoint.layout.name == "insightface-mxnet-iresnet100"
    assert checkpoint.state["features.weight"].tolist() == [1] * 512
    short = {name: array for name, array in translated.items() if name != "mxnet.bn2.bias"}
    monkeypatch.setattr(published, "read_state", lambda path: short)
    with pytest.raises(WeightsError, match=r"insightface-mxnet-iresnet100 with 925: 1 missing: bn2\.bias"):
        identify(tmp_path)


def test_a_whole_file_gives_the_network(tmp_path, monkeypatch):
    """On 18 layers: what was written comes out of the file, normalised as the program does it."""
    row = replace(LAYOUTS.get("insightface-mxnet-iresnet100"), name="small", arguments=(18,), entries=187)
    monkeypatch.setattr(published, "LAYOUTS", Registry("layout", (row,)))
    state = random_state("arcface-iresnet18")
    path = tmp_path / "model-0000.params"
    path.write_bytes(params_bytes(mxnet_arrays(state)))
    module = identify(path).module()
    reference = row.build()
    reference.load_state_dict({**state, "features.weight": torch.ones(512)})
    crops = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(module(crops), reference.eval()(crops), rtol=0, atol=0)
