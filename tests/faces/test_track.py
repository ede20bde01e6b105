from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fiqa.core.errors import SettingsError
from fiqa.faces.track import CUT, Cuts, Tracker, overlap

BOXES = arrays(np.float64, st.tuples(st.integers(0, 4), st.just(4)), elements=st.integers(0, 6))


def test_overlap_by_hand():
    one = np.array([(0, 0, 2, 2), (0, 0, 4, 4)])
    other = np.array([(1, 1, 2, 2), (2, 0, 2, 2), (0, 0, 0, 0)])
    np.testing.assert_allclose(overlap(one, other), [(1 / 7, 0, 0), (4 / 16, 4 / 16, 0)])


@given(BOXES, BOXES)
def test_overlap_counts_cells(one, other):
    def cells(box):
        left, top, width, height = box.astype(int)
        return {(x, y) for x in range(left, left + width) for y in range(top, top + height)}

    for i, first in enumerate(one):
        for j, second in enumerate(other):
            both, either = cells(first) & cells(second), cells(first) | cells(second)
            assert overlap(one, other)[i, j] == pytest.approx(len(both) / max(1, len(either)))


def test_faces_keep_their_numbers_while_they_move():
    tracker = Tracker()
    left, right = np.array([0.0, 0, 50, 50]), np.array([100.0, 0, 50, 50])
    assert tracker.update(np.stack([left, right]), 0.0) == ([1, 2], [])
    for step in range(1, 20):
        moved = np.stack([right - (5 * step, 0, 0, 0), left + np.array([0, 4 * step, 0, 0])])
        assert tracker.update(moved, step / 25) == ([2, 1], [])
    assert tracker.update(np.array([(500.0, 0, 50, 50)]), 0.8) == ([3], [])


def test_all_faces_are_assigned_together():
    tracker = Tracker(min_overlap=0.2)
    tracker.update(np.array([(0.0, 0, 10, 10), (6.0, 0, 10, 10)]), 0.0)
    # the first face overlaps the second track most, yet that would leave the second face without one
    assert tracker.update(np.array([(4.0, 0, 10, 10), (9.0, 0, 10, 10)]), 0.1) == ([1, 2], [])


def test_a_face_out_of_sight_for_too_long_ends():
    box, none = np.array([(0.0, 0, 9, 9)]), np.zeros((0, 4))
    tracker = Tracker(max_gap=0.5)
    assert tracker.update(box, 0.0) == ([1], [])
    assert tracker.update(none, 0.4) == ([], [])
    assert tracker.update(box, 0.5) == ([1], [])
    assert tracker.update(none, 1.1) == ([], [1])
    assert tracker.update(box, 1.2) == ([2], [])
    assert tracker.flush() == [2]
    assert tracker.flush() == []
    assert tracker.update(box, 1.3) == ([3], [])


def test_settings_out_of_range():
    with pytest.raises(SettingsError, match=r"min_overlap in \(0, 1\] and max_gap >= 0, got 0 and 1.0"):
        Tracker(min_overlap=0)
    with pytest.raises(SettingsError, match=r"got 0\.3 and -1"):
        Tracker(max_gap=-1)


def grey(level):
    return np.full((40, 60, 3), level, np.uint8)


def test_a_cut_is_a_sudden_change():
    cuts = Cuts()
    assert [cuts(grey(level)) for level in (200, 200, 202, 90, 90)] == [False, False, False, True, False]
    level = int(CUT)
    assert [cuts(grey(at)) for at in (90, 90 + level - 1, 90 + level - 1, 90 + 2 * level - 1)] == [
        *(False, False, False, True),
    ]


def test_steady_motion_does_not_cut():
    wide = np.tile(np.repeat(np.array([0, 255], np.uint8), 40), 4)
    cuts = Cuts()
    shifted = [np.roll(wide, 4 * step)[None, :, None].repeat(60, 0).repeat(3, 2) for step in range(20)]
    assert not any(cuts(image) for image in shifted[:1])
    changes = [cuts(image) for image in shifted[1:]]
    assert not any(changes[1:])
