from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from fiqa.core.errors import SettingsError
from fiqa.models.regressor import HEADS
from fiqa.train.settings import PRESETS, Head, TrainSettings


def test_the_published_preset_is_the_published_recipe() -> None:
    published = PRESETS["published"]
    assert (published.layers, published.loss, published.targets) == ("published", "l1", "minmax")
    assert (published.epochs, published.batch_size, published.validations) == (1, 128, 20)
    assert (published.learning_rate, published.schedule, published.clip_norm) == (1e-3, "constant", 5.0)
    assert published.validation_fraction == 1 / 20
    assert not published.freeze_batchnorm


def test_every_head_of_the_settings_is_there() -> None:
    assert set(HEADS) == set(get_args(Head))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "l2"}, "loss must be one of l1, huber, smooth_l1, ranking, got 'l2'"),
        ({"layers": "all"}, "layers must be one of published, whole, last-block, head, got 'all'"),
        ({"targets": "unit"}, "targets must be one of minmax, rank, native, got 'unit'"),
        ({"head": "deep"}, "head must be one of linear, sigmoid, mlp, norm, got 'deep'"),
        ({"device": "tpu"}, "device must be one of cpu, cuda"),
        ({"epochs": 0}, "epochs must be 1 or more, got 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"validations": 0}, "validations must be 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, got nan"),
        ({"clip_norm": float("inf")}, "clip_norm must be above 0"),
        ({"validation_fraction": 0.6}, r"validation_fraction must be in \(0, 0.5\], got 0.6"),
        ({"accumulate": 0}, "accumulate must be 1 or more, got 0"),
        ({"accumulate": 65}, "a batch of 64 has no 65 parts to accumulate"),
        ({"accumulate": 33, "freeze_batchnorm": False}, "need 2 samples a part, got a batch of 64 in 33"),
        ({"patience": -1}, "patience must be 0 or more, got -1"),
        ({"ema": 1.0}, r"ema must be in \[0, 1\), got 1.0"),
        ({"precision": "float16"}, "float16 is for device 'cuda'; on the CPU take bfloat16 or float32"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"layers": "published", "cut": "conv"}, "a cut is for layers 'last-block' alone"),
        ({"layers": "head", "cut": "conv"}, "a cut is for layers 'last-block' alone"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(TrainSettings(), **changes)
