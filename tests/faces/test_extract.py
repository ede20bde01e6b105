from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import SettingsError
from fiqa.faces.align import ARCFACE_TEMPLATE
from fiqa.faces.extract import extract

PHOTO = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


class Found:
    """Stands in for the detector and finds what it is told to."""

    min_confidence = 0.6

    def __init__(self, *faces):
        self.faces = list(faces)

    def detect(self, image):
        return self.faces


@pytest.fixture
def two(make_face):
    return Found(make_face(5, 5, 30, 30), make_face(50, 30, 60, 70))


def test_one_crop_of_the_largest_face(two):
    result = extract(PHOTO, two, sample_id="s")
    assert result.failure is None
    assert result.faces == (two.faces[1],)
    assert result.crops.images.shape == (1, 112, 112, 3)
    assert result.crops.landmarks is not None
    assert result.crops.source_scale is not None
    assert np.abs(result.crops.landmarks[0] - ARCFACE_TEMPLATE).max() < 10
    spread = np.ptp(two.faces[1].landmarks[:, 0]) / np.ptp(result.crops.landmarks[0, :, 0])
    assert result.crops.source_scale[0] == pytest.approx(spread, rel=1e-3)


def test_all_faces_in_another_convention_and_size(two):
    result = extract(PHOTO, two, sample_id="s", crop="dlib", face="all")
    assert result.crops.images.shape == (2, 150, 150, 3)
    assert len(result.faces) == 2
    assert extract(PHOTO, two, sample_id="s", size=64).crops.images.shape == (1, 64, 64, 3)


def test_no_face():
    result = extract(PHOTO, Found(), sample_id="a/b.jpg", size=64)
    assert result.crops.images.shape == (0, 64, 64, 3)
    assert result.faces == ()
    assert result.failure is not None
    assert (result.failure.sample_id, result.failure.stage, result.failure.reason) == (
        "a/b.jpg",
        "crop",
        "no_face",
    )
    assert result.failure.message == "no face of confidence 0.6 or more"


def test_several_faces_are_a_failure_under_strict_alone(two, make_face):
    failure = extract(PHOTO, two, sample_id="s", strict=True).failure
    assert failure is not None
    assert failure.reason == "several_faces"
    assert failure.message == "2 faces where one is meant"
    assert extract(PHOTO, two, sample_id="s", strict=True, face="all").failure is None
    assert extract(PHOTO, Found(make_face(5, 5, 30, 30)), sample_id="s", strict=True).failure is None


def test_an_image_too_small_to_hold_a_face(two):
    failure = extract(PHOTO[:15], two, sample_id="s").failure
    assert failure is not None
    assert failure.reason == "too_small"
    assert failure.message == "expected sides of 16 pixels or more, got 160 x 15"


def test_unknown_settings_are_refused_even_without_a_face():
    with pytest.raises(SettingsError, match="crop must be one of"):
        extract(PHOTO, Found(), sample_id="s", crop="tight")
    with pytest.raises(SettingsError, match="face must be one of"):
        extract(PHOTO, Found(), sample_id="s", face="best")


@pytest.mark.faces
def test_a_real_photograph(detector, orl_photos):
    result = extract(orl_photos[0], detector, sample_id="s1", strict=True)
    assert result.failure is None
    assert result.crops.landmarks is not None
    assert np.abs(result.crops.landmarks[0] - ARCFACE_TEMPLATE).max() < 12
