from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import SettingsError
from fiqa.models.checkpoint import RegressorRecord, load_regressor, save_regressor
from fiqa.models.regressor import Regressor
from fiqa.models.student import SPEC, inherit, student
from networks import tiny_recogniser


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def multiplications(module: nn.Module) -> int:
    """Of one crop, in convolutions."""
    total = 0

    def count(layer: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in convolutions(module)]
    with torch.inference_mode():
        module(torch.zeros(1, 3, 112, 112))
    for hook in hooks:
        hook.remove()
    return total


def test_the_student_is_small_and_cheap() -> None:
    network = student("student-0.5")
    assert network.dimension == 512
    assert sum(tensor.numel() for tensor in network.module.parameters()) == 818_592
    assert 35e6 < multiplications(network.module) < 45e6
    kinds = {type(layer).__name__ for layer in network.module.layers.values()}
    assert kinds == {"Conv2d", "BatchNorm2d", "ReLU", "AdaptiveAvgPool2d", "Flatten"}


def test_channels_come_in_eights_whatever_the_width() -> None:
    for width in ("0.01", "0.3", "0.77"):
        channels = [layer.out_channels for layer in convolutions(student(f"student-{width}").module)]
        assert all(count % 8 == 0 and count >= 8 for count in channels)


def test_weights_follow_from_the_seed_alone() -> None:
    first, again, other = (
        convolutions(student("student-0.1", seed=seed).module)[3].weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", ["student", "student-", "student-0", "student-2.5", "student-x", "0.5"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="named student-WIDTH"):
        student(name)


def test_a_checkpoint_of_a_student_needs_nothing_but_itself(tmp_path: Path) -> None:
    network = student("student-0.1", seed=3)
    regressor = Regressor(network.module, network.dimension).eval()
    record = RegressorRecord(
        recogniser=network.name,
        recogniser_digest="of random weights that are gone",
        spec=SPEC,
        dimension=network.dimension,
        label_method="made-up",
        targets="rank",
    )
    save_regressor(tmp_path / "regressor.pt", regressor, record=record)
    loaded, found = load_regressor(tmp_path / "regressor.pt")
    assert found == record
    crops = torch.from_numpy(SPEC.prepare(np.full((2, 112, 112, 3), 90, np.uint8)))
    with torch.inference_mode():
        assert torch.equal(loaded(crops), regressor(crops))


def test_a_student_as_wide_as_its_parent_is_its_parent() -> None:
    parent, child = student("student-0.1", seed=1), student("student-0.1", seed=2)
    with torch.no_grad():
        for layer in parent.module.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2)
    inherit(child.module, parent.module)
    state = child.module.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in parent.module.state_dict().items())


def test_the_channels_that_most_depends_on_are_kept() -> None:
    parent, child = student("student-0.5", seed=1), student("student-0.25", seed=2)
    stem, depthwise, pointwise = convolutions(parent.module)[:3]
    with torch.no_grad():
        norms = [layer for layer in parent.module.modules() if isinstance(layer, nn.BatchNorm2d)]
        norms[1].weight.uniform_(0.5, 2)
    inherit(child.module, parent.module)
    weight = [
        abs(float(norms[1].weight[channel])) * float(pointwise.weight[:, channel].norm())
        for channel in range(16)
    ]
    kept = sorted(sorted(range(16), key=weight.__getitem__)[-8:])
    first, second, third = convolutions(child.module)[:3]
    assert torch.equal(first.weight, stem.weight[kept])
    assert torch.equal(second.weight, depthwise.weight[kept])
    rows = [(pointwise.weight[:, kept] == row).all(dim=(1, 2, 3)).any() for row in third.weight]
    assert all(rows)


def test_a_parent_of_another_build_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"built like MobileNetV1 \(27 convolutions\)"):
        inherit(student("student-0.1").module, tiny_recogniser().module)
