from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fiqa.models.checkpoint import load_regressor
from fiqa.train.scoring import score_crops
from fiqa.train.settings import PRESETS
from fiqa.train.training import train
from networks import SPEC, brightness_task, tiny_recogniser


@pytest.mark.parametrize("preset", list(PRESETS))
def test_scores_are_those_of_the_network_with_and_without_a_cache(tmp_path: Path, preset: str) -> None:
    images, labels = brightness_task(6, 6)
    recogniser = tiny_recogniser()
    settings: Any = replace(PRESETS[preset], epochs=4, batch_size=8, validations=1, learning_rate=1e-2)
    cache = tmp_path / "cache"
    result = train(
        images, labels, recogniser=recogniser, settings=settings, folder=tmp_path / "out", cache=cache
    )
    regressor, record = load_regressor(result.checkpoint, recogniser=recogniser)
    with torch.inference_mode():
        expected = regressor(torch.from_numpy(SPEC.prepare(images.images))).double().numpy()
    scores = score_crops(images, regressor, record=record)
    np.testing.assert_array_equal(scores.sample_ids, images.samples.sample_ids)
    np.testing.assert_allclose(scores.values, expected, atol=1e-6)
    assert scores.method == "regressor of brightness"
    images.loads = 0
    cached = score_crops(images, regressor, record=record, cache=cache)
    np.testing.assert_allclose(cached.values, expected, atol=1e-3)
    assert images.loads == (1 if record.cut is None else 0)
