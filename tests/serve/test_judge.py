from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fiqa.explain.factors import factors
from fiqa.explain.occlusion import occlusion_map
from fiqa.explain.reasons import reasons
from fiqa.faces.align import align, transform
from fiqa.io.images import read_image
from fiqa.serve.judge import Judge, Upload
from fiqa.serve.limits import Limits
from served import BLACK, BRIGHT, DARK, GREY, encoded, picture


@pytest.fixture
def judge(scorer):
    return Judge(scorer, Limits(pixels=100_000))


def alone(scorer, content):
    """What is said of an image, one face after the other."""
    found = scorer.extract(read_image(content))
    said = []
    for row, face in enumerate(scorer.faces(read_image(content))):
        measured = factors(found.crops.rows(slice(row, row + 1)))
        told = reasons({name: column[0] for name, column in measured.items()})
        said.append((face.score, face.score100, face.box, [(one.words, one.severity) for one in told]))
    return said


def test_a_batch_says_what_each_image_alone_says(judge, scorer):
    contents = [BRIGHT, BLACK, DARK, b"no image", GREY]
    judged = judge([Upload(str(n), content) for n, content in enumerate(contents)])
    assert [one.image.name for one in judged] == list("01234")
    assert [len(one.image.faces) for one in judged] == [2, 0, 1, 0, 1]
    problems = [one.image.problem and one.image.problem.reason for one in judged]
    assert problems == [None, "no_face", None, "not_an_image", None]
    for one, content in zip(judged, contents, strict=True):
        if one.image.problem:
            continue
        assert (one.image.width, one.image.height) == (100, 90)
        for face, (score, points, box, told) in zip(one.image.faces, alone(scorer, content), strict=True):
            assert face.score == pytest.approx(score, abs=1e-4)
            assert abs(face.score100 - points) <= 1
            assert (face.box.left, face.box.top, face.box.right, face.box.bottom) == box
            assert [reason.words for reason in face.reasons] == [words for words, _ in told]
            assert [reason.severity for reason in face.reasons] == pytest.approx([share for _, share in told])
    assert "too dark" in [reason.words for reason in judged[2].image.faces[0].reasons]
    assert all(one.heat_map is None for one in judged)


def test_factors_are_measured_on_their_own_crops_where_the_model_has_others(judge, scorer, monkeypatch):
    (own,) = judge([Upload("", GREY)])
    monkeypatch.setattr("fiqa.serve.judge.FACTOR_SPEC", type(scorer.method.spec)(size=113))
    monkeypatch.setattr("fiqa.explain.factors.FACTOR_SPEC", type(scorer.method.spec)(size=113))
    image = read_image(GREY)
    measured = judge._measured(image, scorer.extract(image))
    assert measured.images.shape == (1, 113, 113, 3)
    (other,) = judge([Upload("", GREY)])
    assert other.image.faces[0].score == own.image.faces[0].score


def test_the_heat_map_of_one_face(judge, scorer):
    (judged,) = judge([Upload("", BRIGHT, explain=1)])
    found = scorer.extract(read_image(BRIGHT))
    whole = occlusion_map(scorer.method, found.crops.rows(slice(1, 2)))
    cells = np.array(judged.heat_map.cells)
    assert cells == pytest.approx(whole.reshape(14, 8, 14, 8).mean(axis=(1, 3)))
    corners = np.array([(point.x, point.y) for point in judged.heat_map.corners])
    matrix = align(read_image(BRIGHT), found.faces[1].landmarks).matrix
    edges = [(-0.5, -0.5), (111.5, -0.5), (111.5, 111.5), (-0.5, 111.5)]
    assert transform(matrix, corners) == pytest.approx(np.array(edges), abs=1e-3)
    assert judge([Upload("", BRIGHT, explain=2)])[0].heat_map is None


def test_a_bomb_in_pixels_is_refused_before_it_is_decoded(judge):
    large = encoded(np.zeros((400, 400, 3), np.uint8))
    (judged,) = judge([Upload("", large)])
    assert judged.image.problem.reason == "too_large"
    assert "400 x 400 pixels, more than the 100000 allowed" in judged.image.problem.message


def test_a_face_that_cannot_be_aligned_is_no_face(judge, scorer, monkeypatch):
    face = scorer._detector.detect(picture(120))[0]
    flat = type(face)(face.box, np.zeros_like(face.landmarks), 0.9)
    monkeypatch.setattr(scorer._detector, "detect", lambda image: [flat])
    (judged,) = judge([Upload("", GREY)])
    assert judged.image.problem.reason == "no_face"
    assert "nothing to align" in judged.image.problem.message
    assert (judged.image.width, judged.image.height) == (100, 90)


def test_photographs_come_upright(judge):
    file = io.BytesIO()
    image = Image.fromarray(picture(120))
    exif = image.getexif()
    exif[274] = 6
    image.save(file, "JPEG", exif=exif)
    (judged,) = judge([Upload("", file.getvalue())])
    assert (judged.image.width, judged.image.height) == (90, 100)
