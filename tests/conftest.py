"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("fiqa", deadline=None)
settings.load_profile("fiqa")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with `data/` and `models/`: FIQA_DATA, else `shared` beside the checkout."""
    root = Path(os.environ.get("FIQA_DATA", REPOSITORY.parent / "shared"))
    if not (root / "data" / "lfw" / "images").is_dir():
        pytest.skip("real data sets are not at hand; FIQA_DATA names their folder")
    return root


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 60 photographs: 6 subjects of the ORL set with 10 each, ``s1/1.png`` and so on."""
    from fiqa.io.images import write_image
    from fiqa.io.orl import read_orl

    folder = tmp_path_factory.mktemp("orl") / "photos"
    for sample_id, image in read_orl()[0][:60]:
        write_image(folder / Path(sample_id).with_suffix(".png"), image)
    return folder
