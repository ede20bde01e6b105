from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.explain.occlusion import occlusion_map


class Brightness:
    """Mean red value of a window of a crop of 8 x 8 pixels, plus what the landmarks say."""

    name, spec = "brightness", InputSpec(size=8)

    def __init__(self, window=np.s_[:, :]):
        self.window, self.asked = window, []

    def score(self, crops):
        self.asked.append(len(crops))
        offset = 0 if crops.landmarks is None else crops.landmarks[:, 0, 0]
        red = crops.images[..., 0].astype(float)
        return red[(slice(None), *self.window)].mean(axis=(1, 2)) + offset


def crop_of(image):
    return FaceCrops(np.repeat(np.asarray(image, np.uint8)[None, ..., None], 3, axis=3))


def map_by_loops(method, crop, patch, stride, colour):
    size = method.spec.size
    starts = [*range(0, size - patch, stride), size - patch]
    clean = method.score(crop)[0]
    values = np.zeros((size, size))
    for y in range(size):
        for x in range(size):
            changes = []
            for top in starts:
                for left in starts:
                    if top <= y < top + patch and left <= x < left + patch:
                        hidden = crop.images.copy()
                        hidden[0, top : top + patch, left : left + patch] = colour
                        changes.append(method.score(FaceCrops(hidden, crop.landmarks))[0] - clean)
            values[y, x] = np.mean(changes)
    return values


def test_values_by_hand():
    """A window of 120 on 0: its mean is 60 of a mean of 7.5 = 8, so a patch of 4 puts 8 in its place."""
    image = np.zeros((8, 8))
    image[:2, :2] = 120
    found = occlusion_map(Brightness(np.s_[:2, :2]), crop_of(image), patch=4, stride=4)
    expected = np.zeros((8, 8))
    expected[:4, :4] = 8 - 120
    np.testing.assert_allclose(found, expected)


def test_what_is_worse_than_nothing_is_positive_and_the_rest_is_evidence():
    image = np.full((8, 8), 200)
    image[:, :4] = 0
    found = occlusion_map(Brightness(), crop_of(image), patch=4, stride=4)
    assert (found[:, :4] == 25).all()
    assert (found[:, 4:] == -25).all()


def test_grey_fills_with_128():
    found = occlusion_map(Brightness(), crop_of(np.zeros((8, 8))), patch=8, stride=8, fill="grey")
    np.testing.assert_allclose(found, 128)


@pytest.mark.parametrize(("patch", "stride"), [(3, 2), (4, 3), (2, 1), (5, 5), (8, 1), (7, 7)])
def test_map_agrees_with_loops(patch, stride, rng):
    images = rng.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    crop = FaceCrops(images, rng.uniform(0, 8, (1, 5, 2)).astype(np.float32))
    method = Brightness(np.s_[1:5, 2:7])
    colour = np.rint(images.mean(axis=(0, 1, 2)))
    expected = map_by_loops(method, crop, patch, stride, colour)
    np.testing.assert_allclose(occlusion_map(method, crop, patch=patch, stride=stride), expected, atol=1e-9)


def test_positions_come_in_batches_and_the_crop_stays(rng):
    crop = crop_of(rng.integers(0, 256, (8, 8)))
    before = crop.images.copy()
    method = Brightness()
    occlusion_map(method, crop, patch=1, stride=1)
    assert sorted(method.asked) == [1, 64]
    np.testing.assert_array_equal(crop.images, before)
    method = Brightness()
    occlusion_map(method, crop)
    assert sum(method.asked) == 1 + 64


def test_defaults_scale_with_the_crop():
    class Wide(Brightness):
        spec = InputSpec(size=112)

    method = Wide()
    occlusion_map(method, crop_of(np.zeros((112, 112))))
    assert sum(method.asked) == 1 + 12 * 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 9}, "stride <= patch <= 8 must hold, got stride 1 and patch 9"),
        ({"patch": 2, "stride": 3}, "got stride 3 and patch 2"),
        ({"patch": 0}, "patch must be a whole number of at least 1"),
        ({"stride": 0}, "stride must be a whole number"),
        ({"fill": "gray"}, "fill must be one of mean, grey, got 'gray'"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        occlusion_map(Brightness(), crop_of(np.zeros((8, 8))), **options)


def test_other_crops_are_refused():
    with pytest.raises(DataError, match="one crop, got 2"):
        occlusion_map(Brightness(), FaceCrops(np.zeros((2, 8, 8, 3), np.uint8)))
    with pytest.raises(DataError, match=r"crops must be \(n, 8, 8, 3\)"):
        occlusion_map(Brightness(), FaceCrops(np.zeros((1, 9, 9, 3), np.uint8)))
