from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import QualityScores
from fiqa.evaluate.label_shift import LabelShift

IDS = np.array(["a", "b", "c", "d", "e"])
SUBJECTS = np.array(["p", "p", "q", "q", "q"])
BASE = QualityScores(IDS, np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "made-up")


def shift_of(*values: float) -> LabelShift:
    order = np.array([4, 3, 2, 1, 0])  # another order of the same samples
    return LabelShift(
        "made-up", BASE, QualityScores(IDS[order], np.array(values)[order], "made-up"), SUBJECTS
    )


def test_ranks_and_shifts_by_hand() -> None:
    shift = shift_of(3, 1, 2, 4, 5)
    assert shift.base_rank.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert shift.optimised_rank.tolist() == [0.5, 0, 0.25, 0.75, 1]
    assert shift.shift.tolist() == [0.5, -0.25, -0.25, 0, 0]
    assert shift.subject_shift.tolist() == pytest.approx([0.125, -0.25 / 3])
    assert shift.moved(10, up=True).tolist() == [0]
    assert shift.moved(10, up=False).tolist() == [1, 2]
    assert shift.moved(1, up=False).tolist() == [1]
    assert shift.spearman == pytest.approx(1 - 6 * 6 / (5 * 24))


def test_values_for_json() -> None:
    plain = shift_of(3, 1, 2, 4, 5).to_dict()
    assert plain["mean_shift"] == pytest.approx(0.2)
    assert plain["largest_shift"] == 0.5
    assert plain["largest_subject_shift"] == pytest.approx(0.125)


def test_samples_must_be_the_same() -> None:
    with pytest.raises(DataError, match="got 5, 4, 5"):
        LabelShift("m", BASE, QualityScores(IDS[:4], np.arange(4.0), "m"), SUBJECTS)
    others = QualityScores(np.array(["a", "b", "c", "d", "x"]), np.arange(5.0), "m")
    with pytest.raises(DataError, match="missing, first e"):
        _ = LabelShift("m", BASE, others, SUBJECTS).shift
