"""Real crops for the recognisers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fiqa.faces.align import align
from fiqa.faces.detect import Detector


@pytest.fixture(scope="session")
def lfw_crops(data_root):
    """Crops of eight LFW photographs in a given alignment convention."""
    paths = sorted((data_root / "data" / "lfw" / "images").glob("A*/*_0001.jpg"))[:8]
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    detector = Detector()
    landmarks = [detector.detect(photo)[0].landmarks for photo in photos]

    def crops(crop):
        pairs = zip(photos, landmarks, strict=True)
        return np.stack([align(photo, points, crop=crop).crop for photo, points in pairs])

    return crops
