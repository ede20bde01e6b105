from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import FaceCrops
from fiqa.explain.factors import factors
from fiqa.explain.reasons import LEVELS
from fiqa.faces.align import ARCFACE_TEMPLATE

EYES_AND_MOUTH = ((38, 52), (74, 52), (56, 92))


def crops_of(*images):
    grey = np.stack([np.broadcast_to(image, (112, 112)) for image in images]).astype(np.uint8)
    count = len(grey)
    landmarks = np.repeat(ARCFACE_TEMPLATE[None].astype(np.float32), count, axis=0)
    return FaceCrops(np.repeat(grey[..., None], 3, axis=3), landmarks, np.full(count, 0.6, np.float32))


def face(rng, **without):
    """A textured ground with a dark horizontal bar at each eye and at the mouth."""
    image = rng.normal(150, 4, (112, 112))
    for name, (x, y) in zip(("right", "left", "mouth"), EYES_AND_MOUTH, strict=True):
        if name not in without:
            image[y - 2 : y + 3, x - 10 : x + 11] -= 80
    return image.clip(0, 255)


def test_every_factor_has_a_level(rng):
    assert set(factors(crops_of(face(rng)))) == {row.factor for row in LEVELS}


def test_light_and_headroom_by_hand():
    """Of the middle 84 rows, the upper ten in a hundred are the brightest: light is where they begin."""
    ramp = np.zeros((112, 112))
    ramp[14:98] = np.linspace(0, 252, 84)[:, None]
    burnt = np.full((112, 112), 100)
    burnt[14:35] = 255
    found = factors(crops_of(ramp, burnt))
    assert found["light"][0] == pytest.approx(0.9 * 252 / 255, abs=0.01)
    np.testing.assert_allclose(found["headroom"], [76 / 84, 0.75])
    np.testing.assert_allclose(found["size"], 0.6)


def test_contrast_leaves_a_lack_of_light_out(rng):
    image = face(rng)
    bright, dim, hazy = factors(crops_of(image, image * 0.5, image * 0.5 + 100))["contrast"]
    assert dim == pytest.approx(bright, abs=0.02)
    assert hazy < 0.6 * bright
    halves = np.full((112, 112), 200)
    halves[:, 56:] = 50
    assert factors(crops_of(halves))["contrast"][0] == pytest.approx(0.75)


def detail_by_loops(middle):
    """Quiet level of the noise filter and median share of detail, block by block."""
    kernel = np.outer([1, -2, 1], [1, -2, 1])
    means, shares = [], []
    for top in range(0, 80, 8):
        for left in range(0, 80, 8):
            fine = np.array(
                [
                    [abs((middle[y : y + 3, x : x + 3] * kernel).sum()) for x in range(left, left + 8)]
                    for y in range(top, top + 8)
                ]
            )
            if fine.mean() >= 1e-4:
                means.append(fine.mean())
                shares.append((fine > 0.15 * fine.mean()).mean())
    return np.quantile(means, 0.25), np.median(shares)


def test_cleanness_and_detail_follow_their_definitions(rng):
    image = rng.normal(120, 20, (112, 112)).clip(0, 255).astype(np.uint8)
    image[30:60, 30:60] = 90
    middle = image[14:98, 14:98] / 255
    quiet, detail = detail_by_loops(middle)
    change = np.mean([np.abs(np.diff(middle, axis=axis)).mean() for axis in (0, 1)])
    found = factors(crops_of(image))
    assert found["cleanness"][0] == pytest.approx(1 - quiet * np.sqrt(np.pi / 2) / 6 / change, rel=1e-3)
    assert found["detail"][0] == pytest.approx(detail, abs=1e-6)


def test_noise_costs_cleanness_in_order(rng):
    smooth = np.tile(np.linspace(60, 200, 112), (112, 1))
    noisy = [smooth + rng.normal(0, level, smooth.shape) for level in (0, 2, 8, 20)]
    found = factors(crops_of(*(image.clip(0, 255) for image in noisy)))["cleanness"]
    assert (np.diff(found) < 0).all()
    assert found[3] < 0.3


@pytest.mark.parametrize("covered", ["right", "left", "mouth"])
def test_visibility_is_that_of_the_worst_place(covered, rng):
    whole, without = factors(crops_of(face(rng), face(rng, **{covered: False})))["visibility"]
    assert whole > 0.8
    assert without < 0.3 * whole


def test_visibility_by_hand():
    """Rows that rise by 10 grey levels all over: the vertical change is the whole gradient at every place."""
    ramp = (np.arange(112) * 2)[:, None]
    expected = 1 / 1.39
    assert factors(crops_of(ramp))["visibility"][0] == pytest.approx(expected, rel=1e-4)
    assert factors(crops_of(ramp.T))["visibility"][0] == pytest.approx(0, abs=1e-6)


def test_flat_crops_have_a_value_for_everything():
    found = factors(crops_of(np.zeros((112, 112)), np.full((112, 112), 200)))
    assert all(np.isfinite(values).all() for values in found.values())
    np.testing.assert_array_equal(found["detail"], 0)
    np.testing.assert_array_equal(found["contrast"], 0)
    np.testing.assert_array_equal(found["visibility"], 0)


def test_landmarks_outside_the_crop_do():
    crops = crops_of(np.arange(112)[:, None])
    far = FaceCrops(crops.images, crops.landmarks + 500, crops.source_scale)
    assert np.isfinite(factors(far)["visibility"]).all()


def test_a_factor_depends_on_its_crop_alone(rng):
    crops = crops_of(face(rng), np.zeros((112, 112)), face(rng, mouth=False))
    together = factors(crops)
    for row in range(3):
        alone = factors(crops.rows(slice(row, row + 1)))
        assert {name: values[row] for name, values in together.items()} == pytest.approx(
            {name: values[0] for name, values in alone.items()}, rel=1e-5, abs=1e-7
        )


def test_crops_without_what_is_needed_are_refused():
    with pytest.raises(DataError, match="need landmarks and source scale"):
        factors(FaceCrops(np.zeros((1, 112, 112, 3), np.uint8)))
    with pytest.raises(DataError, match=r"crops must be \(n, 112, 112, 3\)"):
        factors(FaceCrops(np.zeros((1, 64, 64, 3), np.uint8)))
