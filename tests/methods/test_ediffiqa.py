from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import WeightsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.methods import load_method
from fiqa.methods.ediffiqa import EDifFiqa
from fiqa.models import weights
from fiqa.models.layouts import layouts_of
from fiqa.models.quality_network import QUALITY_MODELS
from onnx_models import brightness, saved


def test_a_file_is_read_like_the_published_ones(tmp_path) -> None:
    """The stand-in returns the mean of its input: 255 becomes 1, 0 becomes -1."""
    images = np.zeros((2, 112, 112, 3), np.uint8)
    images[1] = 255
    path = saved(brightness(size=112), tmp_path / "mine.onnx")
    assert EDifFiqa(path).score(FaceCrops(images)) == pytest.approx([-1, 1], rel=1e-5)
    own = EDifFiqa(path, contract=InputSpec(std=255))
    assert own.score(FaceCrops(images)) == pytest.approx([0, 1], rel=1e-5)


def test_records_have_the_contract_of_the_method() -> None:
    specs = {row.spec for row in (*layouts_of("ediffiqa"), *QUALITY_MODELS)}
    assert specs == {InputSpec(mean=127.5, std=127.5)}


def test_the_smallest_is_taken_unless_another_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FIQA_MODELS", str(tmp_path))
    for variant in "tsml":
        (tmp_path / f"ediffiqa_{variant}.onnx").write_bytes(variant.encode())
    expected = weights.RECORDS.get("ediffiqa_t").sha256
    with pytest.raises(WeightsError, match=rf"weights ediffiqa_t: .* has SHA-256 .*, expected {expected}"):
        load_method("ediffiqa")
    with pytest.raises(WeightsError, match=r"weights ediffiqa_l: .*ediffiqa_l\.onnx has SHA-256"):
        load_method("ediffiqa", weights=Path("ediffiqa_l"))
