from __future__ import annotations

import pytest

from fiqa.core.errors import SettingsError
from fiqa.faces.choose import choose

SHAPE = (100, 200, 3)


@pytest.fixture
def faces(make_face):
    """Small in the centre; largest inside the photograph; largest of all, but mostly outside."""
    return [make_face(90, 40, 20, 20), make_face(10, 10, 40, 50), make_face(180, 0, 200, 100)]


def test_largest_counts_what_lies_inside_the_photograph(faces):
    (found,) = choose(faces, SHAPE)
    assert found is faces[1]


def test_central_is_nearest_to_the_middle(faces):
    (found,) = choose(faces, SHAPE, policy="central")
    assert found is faces[0]


def test_all_come_largest_first(faces):
    found = choose(faces, SHAPE, policy="all")
    assert [face.box[0] for face in found] == [10, 180, 90]


def test_ties_keep_the_order_of_detection(make_face):
    twins = [make_face(10, 10, 30, 30, confidence) for confidence in (0.9, 0.8)]
    for policy in ("largest", "central"):
        assert choose(twins, SHAPE, policy=policy)[0] is twins[0]


def test_no_face_is_no_choice():
    assert choose([], SHAPE) == []


def test_an_unknown_policy(faces):
    with pytest.raises(SettingsError, match="face must be one of largest, central, all, got 'best'"):
        choose(faces, SHAPE, policy="best")
