from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError, SettingsError
from fiqa.faces.align import ARCFACE_TEMPLATE, DLIB_TEMPLATE, align, crop_size, similarity, transform

coordinate = st.floats(-500, 500)


def umeyama(points, targets):
    """The textbook form by singular value decomposition, with its guard against reflections."""
    mean_p, mean_t = points.mean(axis=0), targets.mean(axis=0)
    p, t = points - mean_p, targets - mean_t
    u, d, vt = np.linalg.svd(t.T @ p / len(p))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = (d * signs).sum() / (p**2).sum(axis=1).mean()
    return np.column_stack((scale * rotation, mean_t - scale * rotation @ mean_p))


def test_least_squares_against_the_textbook_form(rng):
    for _ in range(50):
        points, targets = rng.normal(size=(2, 5, 2)) * 100
        np.testing.assert_allclose(similarity(points, targets), umeyama(points, targets), atol=1e-8)


def test_a_mirrored_face_is_not_reflected(rng):
    mirrored = ARCFACE_TEMPLATE * (-1, 1)
    matrix = similarity(mirrored, ARCFACE_TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix, umeyama(mirrored, ARCFACE_TEMPLATE), atol=1e-9)


@given(scale=st.floats(0.05, 20), angle=st.floats(-3.1, 3.1), x=coordinate, y=coordinate)
def test_an_exact_similarity_is_recovered(scale, angle, x, y):
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cosine, -sine, x], [sine, cosine, y]])
    found = similarity(ARCFACE_TEMPLATE, ARCFACE_TEMPLATE @ matrix[:, :2].T + matrix[:, 2])
    np.testing.assert_allclose(found, matrix, atol=1e-6)


def test_landmarks_on_the_template_leave_the_image_as_it_is(rng):
    image = rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)
    crop, matrix, source_scale = align(image, ARCFACE_TEMPLATE)
    np.testing.assert_array_equal(crop, image)
    np.testing.assert_allclose(matrix, [[1, 0, 0], [0, 1, 0]], atol=1e-9)
    assert source_scale == pytest.approx(1)


def test_a_shift_by_whole_pixels_and_a_black_border(rng):
    image = rng.integers(1, 256, (112, 112, 3), dtype=np.uint8)
    crop, matrix, _ = align(image, ARCFACE_TEMPLATE + np.array([10, -4]))
    np.testing.assert_allclose(matrix[:, 2], (-10, 4), atol=1e-9)
    np.testing.assert_array_equal(crop[4:, :-10], image[:-4, 10:])
    assert not crop[:4].any()
    assert not crop[:, -10:].any()


def test_source_scale_counts_photograph_pixels_per_crop_pixel(rng):
    image = rng.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    assert align(image, 3 * ARCFACE_TEMPLATE).source_scale == pytest.approx(3)
    assert align(image, ARCFACE_TEMPLATE / 2).source_scale == pytest.approx(0.5)
    assert align(image, ARCFACE_TEMPLATE, size=224).source_scale == pytest.approx(0.5)


def test_a_large_photograph_is_averaged_not_skipped():
    """A one-pixel checkerboard at 4 photograph pixels a crop pixel is grey, not a moire pattern."""
    rows, columns = np.indices((448, 448))
    board = np.repeat(255 * ((rows + columns) % 2)[..., None], 3, axis=2).astype(np.uint8)
    landmarks = 4 * (ARCFACE_TEMPLATE + 0.5) - 0.5
    crop = align(board, landmarks).crop
    assert np.abs(crop.astype(int) - 127.5).max() <= 1.5


def test_averaging_keeps_places():
    """Photographs made by repeating each pixel k times are brought back exactly."""
    source = np.random.default_rng(3).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    for k in (2, 3, 5):
        large = source.repeat(k, axis=0).repeat(k, axis=1)
        crop = align(large, k * (ARCFACE_TEMPLATE + 0.5) - 0.5).crop
        assert np.abs(crop.astype(int) - source).max() <= 1


def test_landmarks_land_on_the_template(rng):
    landmarks = 1.7 * ARCFACE_TEMPLATE @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + (40, 90)
    aligned = align(np.zeros((300, 300, 3), np.uint8), landmarks)
    np.testing.assert_allclose(transform(aligned.matrix, landmarks), ARCFACE_TEMPLATE, atol=1e-4)


def test_the_dlib_chip():
    """Right eye: (0.225492 + 0.25) / 1.5 of 150 pixels."""
    assert DLIB_TEMPLATE[0] == pytest.approx((47.5492, 46.599))
    chip = align(np.zeros((200, 200, 3), np.uint8), DLIB_TEMPLATE, crop="dlib")
    assert chip.crop.shape == (150, 150, 3)
    assert crop_size("dlib") == 150


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.full((5, 2), 7.0), r"landmarks lie in one place, \[7\.0, 7\.0\]"),
        (np.full((5, 2), np.nan), r"landmarks must be finite and of shape \(5, 2\), got \[\[nan"),
        (np.zeros((4, 2)), r"of shape \(5, 2\)"),
    ],
)
def test_landmarks_that_cannot_be_aligned(landmarks, message):
    with pytest.raises(DataError, match=message):
        align(np.zeros((9, 9, 3), np.uint8), landmarks)


def test_points_without_a_best_rotation():
    square = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
    with pytest.raises(DataError, match="there is no best rotation"):
        similarity(square, square * (1, -1))


def test_an_unknown_convention():
    with pytest.raises(SettingsError, match="crop must be one of arcface, dlib, got 'tight'"):
        align(np.zeros((9, 9, 3), np.uint8), ARCFACE_TEMPLATE, crop="tight")
