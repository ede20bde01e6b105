from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import FaceCrops
from fiqa.faces.align import ARCFACE_TEMPLATE
from fiqa.methods.classical import Classical, blur_effect, coherence, frontality, histogram_entropy


def smoothed(images, times):
    for _ in range(times):
        images = (images + np.roll(images, 1, axis=1) + np.roll(images, 1, axis=2)) / 3
    return images


def blur_by_loops(image):
    """The blur effect of one image along its rows, pixel by pixel."""
    present = lost = 0.0
    for row in image.astype(float):
        means = [row[x - 4 : x + 5].mean() for x in range(4, len(row) - 4)]
        for x in range(len(means) - 1):
            sharp = abs(row[x + 5] - row[x + 4])
            present += sharp
            lost += max(0.0, sharp - abs(means[x + 1] - means[x]))
    return 1 - lost / present


def test_blur_effect_follows_its_definition(rng):
    images = smoothed(rng.random((3, 30, 26)), 2).astype(np.float32)
    expected = [max(blur_by_loops(image), blur_by_loops(image.T)) for image in images]
    np.testing.assert_allclose(blur_effect(images), expected, rtol=1e-5)


def test_blur_rises_with_smoothing_and_flat_is_blurred(rng):
    noise = rng.random((1, 60, 60)).astype(np.float32)
    effects = [blur_effect(smoothed(noise, times).astype(np.float32))[0] for times in (0, 2, 8)]
    assert effects[0] < effects[1] < effects[2]
    assert blur_effect(np.full((1, 40, 40), 0.5, np.float32)) == 1


def test_coherence_is_1_for_an_edge_0_for_nothing_and_low_for_noise(rng):
    edge = np.tile(np.linspace(0, 1, 34, dtype=np.float32), (34, 1))
    diagonal = edge + edge.T
    noise = rng.random((34, 34)).astype(np.float32)
    found = coherence(np.stack([edge, edge.T, diagonal, np.zeros_like(edge), noise]))
    np.testing.assert_allclose(found[:3], 1, atol=1e-2)
    assert found[3] == 0
    assert found[4] < 0.2


def test_coherence_follows_singular_values(rng):
    image = smoothed(rng.random((1, 18, 26)), 1).astype(np.float32)
    down, along = (gradient[1:-1, 1:-1] for gradient in np.gradient(image[0].astype(float)))
    values = []
    for top in range(0, 16, 8):
        for left in range(0, 24, 8):
            patch = np.s_[top : top + 8, left : left + 8]
            first, second = np.linalg.svd(
                np.stack([along[patch].ravel(), down[patch].ravel()], axis=1), compute_uv=False
            )
            values.append((first - second) / (first + second))
    assert coherence(image) == pytest.approx(np.mean(values), rel=1e-5)


def test_entropy_by_hand():
    every_level = (np.arange(256, dtype=np.float32) / 255).reshape(16, 16)
    two_levels = np.repeat(np.float32([0, 1]), 128).reshape(16, 16)
    found = histogram_entropy(np.stack([every_level, two_levels, np.zeros_like(every_level)]))
    np.testing.assert_allclose(found, [8, 1, 0], atol=1e-12)


def landmarks(nose, mouth_y=2.0):
    return np.array([[[0, 0], [2, 0], nose, [0, mouth_y], [2, mouth_y]]], np.float32)


@pytest.mark.parametrize(
    ("nose", "expected"),
    [((1, 1), 1.0), ((0, 1), np.sqrt(0.5)), ((2, 1), np.sqrt(0.5)), ((1, 0), np.sqrt(0.5)), ((0, 2), 0.5)],
)
def test_frontality_by_hand(nose, expected):
    assert frontality(landmarks(nose)) == pytest.approx(expected)


def test_frontality_ignores_place_size_and_turn_in_the_plane(rng):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    points = rng.normal(size=(4, 5, 2))
    moved = 3 * points @ turn.T + [5, -2]
    np.testing.assert_allclose(frontality(moved.astype(np.float32)), frontality(points), rtol=1e-4)


def test_frontality_of_the_template_and_of_coinciding_points():
    assert frontality(ARCFACE_TEMPLATE[None].astype(np.float32)) > 0.99
    assert frontality(np.zeros((1, 5, 2), np.float32)) == 0


def test_factors_and_their_mean(rng):
    images = rng.integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)
    scales = np.array([0.5, 1.0, 3.0], np.float32)
    method = Classical()
    crops = FaceCrops(images, np.repeat(ARCFACE_TEMPLATE[None].astype(np.float32), 3, axis=0), scales)
    factors = method.factors(crops)
    assert list(factors) == ["sharpness", "structure", "brightness", "contrast", "resolution", "pose"]
    np.testing.assert_allclose(factors["resolution"], [0.5, 1, 1])
    logarithms = np.mean([np.log(values) for values in factors.values()], axis=0)
    np.testing.assert_allclose(method.score(crops), np.exp(logarithms))
    assert list(method.factors(FaceCrops(images))) == ["sharpness", "structure", "brightness", "contrast"]


def test_brightness_is_best_at_mid_grey_and_the_margin_does_not_count():
    images = np.zeros((3, 112, 112, 3), np.uint8)
    images[:, 14:-14, 14:-14] = np.array([0, 128, 255], np.uint8)[:, None, None, None]
    brightness = Classical().factors(FaceCrops(images))["brightness"]
    np.testing.assert_allclose(brightness, [0, 1, 0], atol=1e-4)


def test_crops_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"crops must be \(n, 112, 112, 3\), got \(1, 64, 64, 3\)"):
        Classical().factors(FaceCrops(np.zeros((1, 64, 64, 3), np.uint8)))
    with pytest.raises(SettingsError, match="size must be a whole number of at least 32, got 16"):
        Classical(size=16)
