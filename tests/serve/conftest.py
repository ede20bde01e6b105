from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from deployed import Bright, card_of, write_model
from fiqa.deploy.scorer import Scorer
from onnx_models import brightness
from served import running


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A model that scores by brightness, calibrated."""
    content = brightness(size=112).SerializeToString()
    card = card_of(content, size=112, reference=np.linspace(0, 255, 101))
    return write_model(tmp_path_factory.mktemp("model"), content, card)


@pytest.fixture(scope="session")
def scorer(model) -> Scorer:
    """One that finds faces by brightness, and scores them so."""
    scorer = Scorer(model, face="all", threads=1)
    scorer._detector = Bright()
    return scorer


@pytest.fixture(scope="session")
def client(scorer) -> Iterator[httpx.Client]:
    with running(scorer) as client:
        yield client
