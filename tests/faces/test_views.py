from __future__ import annotations

import numpy as np
import pytest

from fiqa.faces.align import landmark_template, similarity
from fiqa.faces.views import framed, toned, turned


@pytest.fixture
def ramp() -> np.ndarray:
    """A crop whose red tells the column and whose green tells the row."""
    image = np.zeros((112, 112, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(112) * 2, np.arange(112)[:, None] * 2
    return image


class Exact(np.random.Generator):
    """Draws no error."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def normal(self, loc=0.0, scale=1.0, size=None):
        return super().normal(loc, 0 * scale, size)


def test_a_face_that_is_not_turned_stays(ramp: np.ndarray) -> None:
    np.testing.assert_allclose(turned(ramp, yaw=0, rng=Exact()).astype(int), ramp.astype(int), atol=2)


def test_points_of_the_head_move_as_on_an_ellipsoid(ramp: np.ndarray) -> None:
    """Turned by y, a point at x across and z deep lies at x cos y + z sin y; away from the nose the depth is
    that of an ellipsoid. The landmarks, which turn too, are brought back to their places."""
    side, yaw = 112, np.radians(30)
    result = turned(ramp, yaw=30, rng=Exact())
    template = (landmark_template("arcface") + 0.5) / side - (0.5, 0.58)

    def across(x: float, y: float) -> float:
        nose = 0.055 * np.exp(-((x / 0.045) ** 2) - ((y - 0.04) / (0.045 if y > 0.04 else 0.13)) ** 2)
        deep = 0.45 * np.sqrt(max(1 - (x / 0.40) ** 2 - (y / 0.68) ** 2, 0)) + nose
        return x * np.cos(yaw) + deep * np.sin(yaw)

    moved = np.array([(across(x, y), y) for x, y in template])
    back = similarity(moved, template)
    for x, y in [(-0.3, -0.2), (-0.2, 0.0), (-0.15, 0.2), (0.1, -0.3), (0.15, 0.1)]:
        place = back[:, :2] @ (across(x, y), y) + back[:, 2] + np.array((0.5, 0.58))
        column, row = np.rint(place * side - 0.5).astype(int)
        assert result[row, column, 0] == pytest.approx(2 * ((x + 0.5) * side - 0.5), abs=4)
        assert result[row, column, 1] == pytest.approx(2 * ((y + 0.58) * side - 0.5), abs=4)


def test_the_far_cheek_vanishes_and_the_near_one_stays(ramp: np.ndarray) -> None:
    """Right of the edge of the head comes what was beside it."""
    shown = turned(ramp, yaw=80, rng=Exact())[40:90, :, 0].astype(int) // 2
    edge = np.diff(shown, axis=1).argmax(axis=1)
    for row, column in zip(shown, edge, strict=True):
        assert 50 < column < 90
        assert (np.diff(row[: column - 1]) >= 0).all()
        assert row[column - 2] < 62
        assert row[column + 2] > 95


@pytest.mark.parametrize("yaw", [20, 50, 75])
def test_to_the_left_is_the_mirror_image_of_to_the_right(yaw: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    one, other = (np.random.default_rng(5) for _ in range(2))
    mirrored = turned(np.ascontiguousarray(image[:, ::-1]), yaw=-yaw, rng=one)[:, ::-1]
    np.testing.assert_array_equal(turned(image, yaw=yaw, rng=other), mirrored)


def test_landmarks_are_found_with_an_error(ramp: np.ndarray) -> None:
    views = [turned(ramp, yaw=10, rng=np.random.default_rng(seed)).astype(int) for seed in range(40)]
    moved = np.std([view[56, 56, :2] for view in views], axis=0) / 2
    assert (moved > 0.3).all()
    assert (moved < 2).all()


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
