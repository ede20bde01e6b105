from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiqa.core.calibration import Calibration, FnmrGivenScore, FnmrOfKept, GroupKept, Percentiles
from fiqa.core.errors import SettingsError
from fiqa.evaluate.advise import advise


def known(errors=(60, 24, 8, 1), *, high=(1, 0.7, 0.4, 1.2), top=4.0) -> Calibration:
    """Scores 1 to 4, 400 mated pairs, a quarter of them at each; the highest sample scores `top`."""
    n, e = np.array([400, 300, 200, 100]), np.array(errors)
    scores = [1, 2, 3, 4]
    return Calibration(
        *("m", "r", "set", 0.01, 0.3, 5000, 8, 4, "samples file", 2, 0.95, 100),
        FnmrGivenScore(scores, [0.4, 0.2, 0.05, 0.01], [0.3, 0.1, 0, 0], [0.5, 0.3, 0.1, 0.05]),
        FnmrOfKept(
            scores=scores,
            samples_kept=[1, 0.75, 0.5, 0.25],
            pairs_kept=n / 400,
            n_pairs=n,
            n_errors=e,
            fnmr=e / n,
            low=e / n / 2,
            high=e / n * 2,
            relative_low=np.array(high) / 4,
            relative_high=high,
            subjects_lost=[0, 0, 1, 2],
            subjects_short=[0, 1, 2, 4],
        ),
        Percentiles([1, 2, 3, top], [12.5, 37.5, 62.5, 87.5]),
        {"x": GroupKept(scores, [1, 1, 0.5, 0], [9, 9, 4, 0], [3, 3, 1, 0])},
    )


def test_keeping_a_share() -> None:
    for keep, threshold in ((1.0, 1), (0.95, 1), (0.75, 2), (0.5, 3), (0.3, 3), (0.25, 4), (0.1, 4)):
        assert advise(known(), keep=keep).choice.threshold == threshold
    advice = advise(known(), keep=0.5)
    assert advice.supported
    assert advice.choice.fnmr == 0.04
    assert (advice.choice.subjects_lost, advice.choice.subjects_short) == (1, 2)
    assert (advice.choice.low, advice.choice.high) == (0.02, 0.08)
    loss = advice.choice.groups["x"]
    assert (loss.samples_kept, loss.n_pairs, loss.fnmr_before, loss.fnmr) == (0.5, 4, 3 / 9, 1 / 4)
    assert advise(known(), keep=0.25).choice.groups["x"].fnmr is None
    assert advice.to_dict()["choice"]["groups"]["x"]["n_pairs"] == 4


def test_coming_down_to_a_rate() -> None:
    half = advise(known(), halve=True)  # 15 % at the start; 8 % at 2 is more than half, 4 % at 3 is not
    assert (half.choice.threshold, half.goal, half.supported) == (3, "bring the FNMR down to 7.500%", True)
    assert advise(known(), fnmr=0.08).choice.threshold == 2
    there = advise(known(), fnmr=0.2)
    assert (there.choice.threshold, there.supported) == (1, True)  # nothing to discard


def test_what_the_data_cannot_support() -> None:
    few = advise(known((8, 3, 1, 0)), halve=True)
    assert not few.supported
    assert "only 8 of 400 mated pairs are errors with nothing discarded, fewer than 10" in few.reasons[0]
    noise = advise(known(), keep=0.25)
    assert not noise.supported
    assert "at 4 the 95% band of the FNMR relative to the start, 0.30 to 1.20, covers 1" in noise.reasons[0]
    never = advise(known(), fnmr=0.001)
    assert (never.choice, never.supported) == (None, False)
    assert "up to score 4 (25.00% of the samples kept), the lowest FNMR is 1.000%, at 4" in never.reasons[0]
    tiny = advise(known((60, 24, 8, 0), high=(1, 0.7, 0.4, 0.9)), fnmr=0.001)
    assert (tiny.choice.threshold, tiny.supported) == (4, False)
    assert "0.1000% is below one error among the 100 mated pairs kept" in tiny.reasons[0]
    beyond = replace(known(), percentiles=Percentiles([1, 2, 3, 5], [12.5, 37.5, 62.5, 87.5]))
    assert advise(beyond, keep=0.1).choice is None


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({}, "ask for one thing"),
        ({"keep": 0.5, "halve": True}, "ask for one thing"),
        ({"keep": 1.5}, r"must lie in \(0, 1\], got 1.5"),
        ({"fnmr": 1.0}, r"inside \(0, 1\), got 1.0"),
    ],
)
def test_questions_without_an_answer(goal, message) -> None:
    with pytest.raises(SettingsError, match=message):
        advise(known(), **goal)
