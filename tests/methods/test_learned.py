from __future__ import annotations

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError, SettingsError, WeightsError
from fiqa.core.types import FaceCrops
from fiqa.methods import load_method
from fiqa.methods.learned import Learned
from networks import regressor_file, tiny_recogniser


def test_scores_are_the_outputs_of_the_regressor(tmp_path, rng):
    recogniser = tiny_recogniser()
    path, regressor = regressor_file(tmp_path, recogniser)
    images = rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = regressor(recogniser.prepare(images)).numpy()
    method = Learned(path, recogniser=recogniser)
    np.testing.assert_allclose(method.score(FaceCrops(images)), expected, rtol=1e-5)
    assert method.record.label_method == "made-up"


def test_what_does_not_fit_is_refused(tmp_path):
    recogniser = tiny_recogniser()
    path, _ = regressor_file(tmp_path, recogniser)
    method = Learned(path, recogniser=recogniser)
    with pytest.raises(DataError, match=r"crops must be \(n, 16, 16, 3\)"):
        method.score(FaceCrops(np.zeros((1, 112, 112, 3), np.uint8)))
    with pytest.raises(WeightsError, match="give the recogniser it was trained from"):
        Learned(path, recogniser=tiny_recogniser(seed=1))
    with pytest.raises(SettingsError, match="method learned needs a checkpoint"):
        load_method("learned", recogniser)
