from __future__ import annotations

import json

import numpy as np
import pytest

from fiqa.explain.explanation import Explanation, cells
from fiqa.explain.picture import picture
from fiqa.explain.reasons import LEVELS


def explanation(rng, *, size=112, gradient=True, name="ada/1.jpg", photo=(90, 140), low=None):
    box = np.array([30, 20, 40, 50.0])
    return Explanation(
        sample_id=name,
        method="brightness",
        score=0.5,
        meaning={},
        photo=rng.integers(0, 256, (*photo, 3), dtype=np.uint8),
        box=box,
        landmarks=rng.uniform(30, 60, (5, 2)),
        crop=rng.integers(0, 256, (size, size, 3), dtype=np.uint8),
        occlusion=rng.normal(size=(size, size)),
        gradient=np.abs(rng.normal(size=(size, size))) if gradient else None,
        factors={row.factor: row.usual for row in LEVELS} | (low or {}),
    )


def test_cells_are_means_by_hand():
    values = np.arange(25.0).reshape(5, 5)
    np.testing.assert_allclose(cells(values, 2), [[3, 5.5], [15.5, 18]])
    np.testing.assert_array_equal(cells(values, 5), values)


@pytest.mark.parametrize("size", [112, 150, 160])
def test_cells_agree_with_loops(size, rng):
    values = rng.normal(size=(size, size))
    edges = [k * size // 14 for k in range(15)]
    expected = [
        [values[edges[r] : edges[r + 1], edges[c] : edges[c + 1]].mean() for c in range(14)]
        for r in range(14)
    ]
    np.testing.assert_allclose(cells(values, 14), expected)


def test_json_holds_what_the_picture_shows(rng):
    one = explanation(rng, low={"light": 0.1})
    values = json.loads(json.dumps(one.to_json()))
    assert values["reasons"][0]["words"] == "too dark"
    assert values["factors"]["light"]["value"] == 0.1
    np.testing.assert_allclose(values["occlusion"], cells(one.occlusion, 14))
    np.testing.assert_allclose(values["gradient"], cells(one.gradient, 14))
    assert explanation(rng, gradient=False).to_json()["gradient"] is None


@pytest.mark.parametrize("size", [112, 150])
def test_a_map_more_makes_the_picture_wider(size, rng):
    with_, without = (
        picture(explanation(rng, size=size)),
        picture(explanation(rng, size=size, gradient=False)),
    )
    assert with_.dtype == np.uint8
    assert with_.shape == (916, 1640, 3)
    assert without.shape == (916, 1244, 3)


def hues(image):
    """Share of pixels of a panel that are bluish, and that are orange."""
    red, blue = image[..., 0].astype(int), image[..., 2].astype(int)
    return np.mean(blue > red + 25), np.mean(red > blue + 25)


def test_evidence_is_blue_and_loss_is_orange(rng):
    one = explanation(rng, gradient=False)
    one.occlusion[:, :56], one.occlusion[:, 56:] = -1.0, 1.0
    panel = picture(one)[128:500, 832:1204]
    left, right = hues(panel[:, :170]), hues(panel[:, -170:])
    assert left[0] > 0.9 > 0.01 > left[1]
    assert right[1] > 0.9 > 0.01 > right[0]


def test_bars_of_low_factors_stand_out(rng):
    usual = picture(explanation(rng))[600:]
    low = picture(explanation(rng, low={"frontality": 0.2, "size": 0.1, "visibility": 0.0}))[600:]
    assert hues(usual)[1] == 0
    assert hues(low)[1] > 0.01


def test_flat_maps_long_names_and_narrow_photos_are_drawn(rng):
    one = explanation(rng, name="folder/" * 40 + "1.jpg", photo=(3, 900))
    one.occlusion[:], one.gradient[:] = 0, 0
    assert picture(one).shape == (916, 1640, 3)
