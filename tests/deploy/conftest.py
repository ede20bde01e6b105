from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from fiqa.core.calibration import FnmrGivenScore
from fiqa.core.protocols import InputSpec
from fiqa.deploy.card import Card, ExpectedFnmr
from fiqa.deploy.export import to_onnx
from fiqa.deploy.scale import Scale
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
    return Card(
        name="tiny",
        sha256=hashlib.sha256(exported).hexdigest(),
        n_bytes=len(exported),
        precision="float32",
        spec=InputSpec(size=16),
        template=((1.0, 2.0),) * 5,
        scale=Scale.of(np.arange(101.0), reference="whole numbers"),
        licence="none",
        terms="none",
        training={"teacher": "made-up"},
        parity={"spearman": 1.0},
        calibration=ExpectedFnmr(
            "tiny", "set", None, 0.5, 3, 0.95, FnmrGivenScore([0.0, 10.0], [0.4, 0.2], [0.3, 0.1], [0.5, 0.3])
        ),
        limits=("many",),
    )
