from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import SettingsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.methods.onnx import OnnxQuality
from onnx_models import brightness, saved

SPEC = InputSpec(size=8)


@pytest.fixture
def path(tmp_path):
    return saved(brightness(), tmp_path / "light.onnx")


@pytest.mark.parametrize(("direction", "sign"), [("higher", 1), ("lower", -1)])
def test_higher_is_more_useful_either_way(direction, sign, path) -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1] = 200
    method = OnnxQuality(path, contract=SPEC, direction=direction)
    assert method.spec == SPEC
    assert method.score(FaceCrops(images)).tolist() == [0, sign * 200]


def test_another_direction_is_refused(path) -> None:
    with pytest.raises(SettingsError, match="direction must be one of higher, lower, got 'up'"):
        OnnxQuality(path, contract=SPEC, direction="up")
