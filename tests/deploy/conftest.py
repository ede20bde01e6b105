from __future__ import annotations

import numpy as np
import pytest
import torch

from deployed import card_of
from fiqa.deploy.card import Card
from fiqa.deploy.export import to_onnx
from fiqa.models.regressor import Regressor
from networks import tiny_recogniser


@pytest.fixture(scope="session")
def regressor() -> Regressor:
    recogniser = tiny_recogniser()
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return Regressor(recogniser.module, recogniser.dimension).eval()


@pytest.fixture(scope="session")
def exported(regressor: Regressor) -> bytes:
    return to_onnx(regressor, tiny_recogniser().spec)


@pytest.fixture
def images() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


@pytest.fixture
def card(exported: bytes) -> Card:
    return card_of(exported, size=16)
