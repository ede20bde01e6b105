from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
from PIL import Image

from fiqa.core.errors import DataError, SettingsError
from fiqa.faces.detect import Detector
from fiqa.models.weights import find_weights


def same_faces(first, second, tolerance):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.box, other.box, atol=tolerance)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=tolerance)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


@pytest.mark.parametrize("shape", [(40, 50), (1, 1), (900, 17), (33, 700)])
def test_a_plain_image_holds_no_face(detector, shape):
    assert detector.detect(np.full((*shape, 3), 90, np.uint8)) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            np.zeros((40, 40), np.uint8),
            r"expected a uint8 RGB image \(h, w, 3\), got uint8 of shape \(40, 40\)",
        ),
        (np.zeros((40, 40, 3)), "got float64"),
        (np.zeros((0, 40, 3), np.uint8), r"shape \(0, 40, 3\)"),
    ],
)
def test_what_is_no_rgb_image_is_refused(detector, image, message):
    with pytest.raises(DataError, match=message):
        detector.detect(image)


@pytest.mark.parametrize("settings", [{"max_side": 31}, {"min_confidence": 0.0}, {"min_confidence": 1.5}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(SettingsError, match=r"needs max_side >= 32 and min_confidence in \(0, 1\]"):
        Detector(**settings)


def test_decoding_against_loops(detector, rng):
    """Every cell of every stride, one by one, on made-up network outputs of a 64 x 96 canvas."""
    outputs: list = [None] * 12
    expected = []
    for stride, places in zip((8, 16, 32), detector._places, strict=True):
        rows, columns = 64 // stride, 96 // stride
        shapes = ((1, rows * columns, size) for size in (1, 1, 4, 10))
        parts = [rng.random(shape, dtype=np.float32) for shape in shapes]
        for place, part in zip(places, parts, strict=True):
            outputs[place] = part
        classes, objects, boxes, points = (part[0] for part in parts)
        for row in range(rows):
            for column in range(columns):
                cell = row * columns + column
                score = float(np.sqrt(classes[cell, 0] * objects[cell, 0]))
                if score < detector.min_confidence:
                    continue
                width, height = np.exp(boxes[cell, 2:]) * stride
                left = (column + boxes[cell, 0]) * stride - width / 2
                top = (row + boxes[cell, 1]) * stride - height / 2
                marks = [
                    ((points[cell, 2 * n] + column) * stride, (points[cell, 2 * n + 1] + row) * stride)
                    for n in range(5)
                ]
                expected.append(((left, top, width, height), marks, score))
    boxes, landmarks, confidences = detector._decode(outputs, 96)
    np.testing.assert_allclose(boxes, [box for box, _, _ in expected], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(landmarks, [marks for _, marks, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(confidences, [score for _, _, score in expected], rtol=1e-6)


@pytest.mark.faces
def test_faces_that_fill_the_frame_are_found(detector, orl_photos):
    assert len(orl_photos) > 20
    found = [detector.detect(photo) for photo in orl_photos]
    assert all(found)
    for faces in found:
        right_eye, left_eye, nose, *mouth = faces[0].landmarks
        assert right_eye[0] < nose[0] < left_eye[0]
        assert max(right_eye[1], left_eye[1]) < nose[1] < min(point[1] for point in mouth)


@pytest.mark.faces
def test_the_same_as_opencv(detector, orl_photos):
    opencv = cv2.FaceDetectorYN.create(str(find_weights("yunet")), "", (92, 112), 0.6, 0.3)
    for photo in orl_photos[:10]:
        _, rows = opencv.detect(np.ascontiguousarray(photo[..., ::-1]))
        found = detector.detect(photo)
        np.testing.assert_allclose([face.box for face in found], rows[:, :4], atol=1e-3)
        np.testing.assert_allclose([face.landmarks.ravel() for face in found], rows[:, 4:14], atol=1e-3)


@pytest.mark.faces
def test_a_second_look_is_in_pixels_of_the_photograph(detector, orl_photos):
    """The padded, magnified look finds the same points as the plain one, to 4 % of the frame."""
    for photo in orl_photos[:5]:
        plain, retried = detector.detect(photo), detector._look(photo, scale=320 / 112, border=80)
        np.testing.assert_allclose(plain[0].landmarks, retried[0].landmarks, atol=4)


@pytest.mark.faces
def test_large_photographs_are_searched_small(orl_photos, detector):
    photo = cv2.resize(orl_photos[0], (920, 1120), interpolation=cv2.INTER_CUBIC)
    faces = Detector(max_side=112, threads=1).detect(photo)
    small = detector.detect(orl_photos[0])
    np.testing.assert_allclose(faces[0].landmarks / 10, small[0].landmarks, atol=1.5)


@pytest.mark.faces
def test_a_pickled_detector_finds_the_same(detector, orl_photos):
    copy = pickle.loads(pickle.dumps(detector))
    same_faces(copy.detect(orl_photos[0]), detector.detect(orl_photos[0]), 0)


@pytest.mark.data
def test_profiles_in_loose_crops_are_found(detector, data_root):
    paths = sorted((data_root / "data" / "cfp" / "Data" / "Images").glob("0[0-4][05]/profile/*.jpg"))
    found = [bool(detector.detect(np.asarray(Image.open(path).convert("RGB")))) for path in paths]
    assert len(found) >= 36
    assert np.mean(found) > 0.97
