from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fiqa.core.errors import DataError
from fiqa.deploy.scale import ANCHORS, Scale


def test_worked_by_hand():
    """Of the whole numbers 0 to 100 every percentile is itself; below 1 are 0 points, from 99 on 100."""
    scale = Scale.of(np.arange(101.0), reference="r")
    assert scale.scores.tolist() == [1, 25, 50, 75, 99]
    assert scale.points.tolist() == [0, 25, 50, 75, 100]
    assert scale.score100([-5, 0, 1, 13, 25, 50, 75, 87, 99, 200]).tolist() == [
        0,
        0,
        0,
        13,
        25,
        50,
        75,
        88,
        100,
        100,
    ]
    assert scale.score100([27.5, 28.5]).tolist() == [28, 29]  # halves go up
    assert scale.percentiles.percentile([-1, 0, 50, 100, 101]) == pytest.approx(
        [0, 50 / 101, 50, 100 - 50 / 101, 100]
    )
    assert (scale.n_samples, scale.reference) == (101, "r")


values = arrays(np.float64, 40, elements=st.integers(-1000, 1000), unique=True)


@given(values, values)
def test_monotone_and_the_same_under_a_rising_line(reference, scores):
    scale = Scale.of(reference, reference="r")
    points = scale.score100(np.sort(scores))
    assert points.min() >= 0
    assert points.max() <= 100
    assert np.all(np.diff(points) >= 0)
    assert np.all(np.diff(scale.percentiles.percentile(np.sort(scores))) >= 0)
    anchors = scale.score100(scale.scores)
    assert anchors.tolist() == [point for _, point in ANCHORS]
    turned = Scale.of(4 * reference, reference="r")
    np.testing.assert_array_equal(turned.score100(4 * scores), scale.score100(scores))


def test_percentile_against_loops(rng):
    reference = rng.integers(0, 40, 90).astype(float)
    scale = Scale.of(reference, reference="r")
    for score in scale.percentiles.scores.tolist():
        below, equal = sum(reference < score), sum(reference == score)
        assert scale.percentiles.percentile([score]) == pytest.approx([100 * (below + equal / 2) / 90])


def test_there_and_back():
    scale = Scale.of(np.random.default_rng(0).normal(size=200), reference="r")
    again = Scale.from_dict(scale.to_dict())
    assert again.to_dict() == scale.to_dict()
    assert scale.to_dict()["direction"] == "higher = more useful"


@pytest.mark.parametrize("reference", [[], [1.0] * 50, [0.0] * 40 + [1.0] * 40])
def test_scores_that_anchor_nothing_are_refused(reference):
    with pytest.raises(DataError, match=f"the {len(reference)} scores of r cannot anchor a scale"):
        Scale.of(reference, reference="r")


def test_anchors_that_do_not_rise_are_refused():
    facts = Scale.of(np.arange(101.0), reference="r").to_dict()
    for anchors in (facts["anchors"][::-1], facts["anchors"][1:], []):
        with pytest.raises(DataError, match=r"anchors of a scale must rise.*from 0 to 100"):
            Scale.from_dict({**facts, "anchors": anchors})
    with pytest.raises(DataError, match="the scale is malformed: KeyError"):
        Scale.from_dict({"anchors": facts["anchors"]})
