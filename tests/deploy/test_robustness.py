from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.deploy.robustness import sensitivity


def test_worked_by_hand():
    """Scores -1 and 1 have standard deviation 1; moved by 0.5 and 0.1 they move by 0.3 on average."""
    found = sensitivity(np.array([-1.0, 1.0]), np.array([-0.5, 0.9]), change="landmarks", amount=2.0)
    assert found.to_dict() == {
        "change": "landmarks",
        "amount": 2.0,
        "mean_change": pytest.approx(0.3),
        "mean_points": None,
        "spearman": pytest.approx(1.0),
    }


def test_points_are_those_of_the_scale():
    points = lambda scores: np.rint(10 * scores).astype(np.int64)  # noqa: E731
    found = sensitivity(np.array([0.0, 1.0]), np.array([0.5, 0.8]), change="jpeg", amount=30, points=points)
    assert found.mean_points == pytest.approx(3.5)


def test_units_do_not_matter(rng):
    before, after = rng.normal(size=30), rng.normal(size=30)
    one, other = (
        sensitivity(before, after, change="mirror"),
        sensitivity(4 * before + 1, 4 * after + 1, change="mirror"),
    )
    assert one.mean_change == pytest.approx(other.mean_change)
    assert one.spearman == pytest.approx(other.spearman)
    assert sensitivity(before, before, change="mirror").mean_change == 0
    assert sensitivity(before, np.ones(30), change="mirror").spearman is None


@pytest.mark.parametrize("before", [[], [1.0, 1.0]])
def test_scores_without_spread_are_refused(before):
    with pytest.raises(DataError, match=f"the {len(before)} scores before the mirror are all equal"):
        sensitivity(np.array(before), np.array(before), change="mirror")
