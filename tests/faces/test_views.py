from __future__ import annotations

import numpy as np
import pytest

from fiqa.faces.views import framed, toned, turned


@pytest.fixture
def ramp() -> np.ndarray:
    """A crop whose red tells the column and whose green tells the row."""
    image = np.zeros((112, 112, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(112) * 2, np.arange(112)[:, None] * 2
    return image


def test_a_face_that_is_not_turned_stays(ramp: np.ndarray) -> None:
    np.testing.assert_allclose(turned(ramp, yaw=0).astype(int), ramp.astype(int), atol=1)


def test_points_of_the_cylinder_move_as_on_a_cylinder(ramp: np.ndarray) -> None:
    """With radius R a point at angle a lies at R sin a from the middle; turned by y and centred again, at
    R (sin(a + y) - sin y)."""
    radius, yaw = 0.42 * 112, np.radians(40)
    result = turned(ramp, yaw=40)
    for angle in np.radians([-60, -25, 0, 20, 45]):
        column = round(55.5 + radius * (np.sin(angle + yaw) - np.sin(yaw)))
        exact = np.arcsin((column - 55.5) / radius + np.sin(yaw)) - yaw
        assert result[50, column, 0] == pytest.approx(2 * (55.5 + radius * np.sin(exact)), abs=1.1)
    np.testing.assert_array_equal(result[:, 30, 1], ramp[:, 30, 1])


@pytest.mark.parametrize("yaw", [20, 50, 75])
def test_to_the_left_is_the_mirror_image_of_to_the_right(yaw: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    mirrored = turned(np.ascontiguousarray(image[:, ::-1]), yaw=-yaw)[:, ::-1]
    difference = np.abs(turned(image, yaw=yaw).astype(int) - mirrored)
    assert np.mean(difference > 8) < 0.01  # fixed-point interpolation rounds the two directions apart


def test_a_frame_is_black_outside_and_the_crop_inside(ramp: np.ndarray) -> None:
    image, shares = np.maximum(ramp, 1), []
    for seed in range(200):
        result = framed(image, rng=np.random.default_rng(seed))
        black = (result == 0).all(axis=2)
        np.testing.assert_array_equal(result[~black], image[~black])
        assert not black[56, 56]
        shares.append(black.mean())
    assert min(shares) == 0
    assert 0.2 < np.mean(shares) < 0.45


def test_tones_fade_to_grey_in_half_of_all_cases_and_keep_what_is_seen(ramp: np.ndarray) -> None:
    ramp[..., 2] = 90
    grey, order = [], []
    for seed in range(200):
        result = toned(ramp, rng=np.random.default_rng(seed))
        np.testing.assert_array_equal(result, toned(ramp, rng=np.random.default_rng(seed)))
        grey.append(np.ptp(result, axis=2).max() == 0)
        rises = np.diff(result.astype(int), axis=1)
        order.append(rises.min() >= 0 and result[0, -1, 0] > result[0, 0, 0])
    assert 0.4 < np.mean(grey) < 0.6
    assert np.mean(order) == 1  # more light stays more light
