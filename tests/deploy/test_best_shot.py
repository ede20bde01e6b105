from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import SettingsError
from fiqa.deploy.best_shot import BestShots, Shot


def shot(frame, seconds, score):
    return Shot(frame, seconds, np.zeros((1, 1, 3), np.uint8), score, {})


def find(scores, k, distance, rate=8):
    best = BestShots(k, distance=distance)
    for frame, score in enumerate(scores):
        best.offer(shot(frame, frame / rate, score))
    return best


def test_by_hand():
    scores = [1, 9, 8, 2, 3, 7, 6, 5]
    assert [one.frame for one in find(scores, 3, 0).best()] == [1, 2, 5]
    assert [one.frame for one in find(scores, 3, 0.25).best()] == [1, 5, 7]
    assert [one.frame for one in find(scores, 3, 1).best()] == [1]
    best = find(scores, 3, 0.25)
    assert (best.seen, best.first, best.last) == (8, 0, 7 / 8)
    assert best.mean == pytest.approx(np.mean(scores))


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=120), st.integers(1, 4), st.sampled_from([0, 1, 2, 4])
)
def test_nothing_is_lost_by_forgetting(scores, k, slot):
    """Slow twin: the best of each slot over the whole video, then from the best down."""
    found = find(scores, k, 4 * slot / 8).best()
    slots: dict[int, int] = {}
    for frame, score in enumerate(scores):
        place = frame // slot if slot else frame
        if place not in slots or score > scores[slots[place]]:
            slots[place] = frame
    taken: list[int] = []
    for frame in sorted(slots.values(), key=lambda frame: (-scores[frame], frame)):
        if len(taken) < k and all(abs(frame - other) >= 4 * slot for other in taken):
            taken.append(frame)
    assert [one.frame for one in found] == taken


@given(st.lists(st.floats(0, 1), min_size=30, max_size=200), st.integers(1, 3))
def test_no_more_are_kept_than_can_matter(scores, k):
    best = find(scores, k, 0.25)
    assert len(best._candidates) <= 9 * k


def test_settings_out_of_range():
    with pytest.raises(SettingsError, match="k of 1 or more and a distance of 0 or more, got 0, 1"):
        BestShots(0, distance=1)
    with pytest.raises(SettingsError, match="got 1, -1"):
        BestShots(1, distance=-1)
