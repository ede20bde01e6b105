from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import SampleSet
from fiqa.train import features as module
from fiqa.train.variants import Joined, Mirrored, Softened, Variant
from networks import MemoryCrops, brightness_task


@pytest.fixture
def crops() -> MemoryCrops:
    return brightness_task(3, 5)[0]


def darker(image: np.ndarray, sample_id: str) -> np.ndarray:
    return image // 2 + np.uint8(len(sample_id) % 3)


def test_a_variant_is_what_was_made_of_each_crop_and_is_made_once(
    crops: MemoryCrops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7)
    variant = Variant(crops, name="1", vary=darker, recipe="halved", cache=tmp_path)
    assert variant.samples.sample_ids.tolist() == [f"{name}+1" for name in crops.samples.sample_ids.tolist()]
    np.testing.assert_array_equal(variant.samples.subject_ids, crops.samples.subject_ids)
    for row, name in enumerate(crops.samples.sample_ids.tolist()):
        expected = darker(crops.images[row], name)
        np.testing.assert_array_equal(variant.load(np.array([row])).images[0], expected)
    crops.loads = 0
    Variant(crops, name="1", vary=darker, recipe="halved", cache=tmp_path)
    assert crops.loads == 0
    for name, recipe in (("1", "otherwise"), ("2", "halved")):
        assert Variant(crops, name=name, vary=darker, recipe=recipe, cache=tmp_path).digest != variant.digest
    assert crops.loads == 6


def test_mirror_images_follow_the_crops(crops: MemoryCrops) -> None:
    both = Mirrored(crops)
    rows = np.array([16, 2, 29])
    images = both.load(rows).images
    np.testing.assert_array_equal(images[0], crops.images[1][:, ::-1])
    np.testing.assert_array_equal(images[1], crops.images[2])
    np.testing.assert_array_equal(images[2], crops.images[14][:, ::-1])
    assert both.samples.sample_ids[16] == f"{crops.samples.sample_ids[1]}+mirror"
    np.testing.assert_array_equal(both.samples.subject_ids[15:], crops.samples.subject_ids)
    assert both.digest != crops.digest


def test_a_variant_knows_the_row_of_its_crop(crops: MemoryCrops, tmp_path: Path) -> None:
    more = MemoryCrops(crops.images[:2], SampleSet(np.array(list("ab")), np.array(list("xy"))))
    first, second, alone = (
        Variant(source, name=name, vary=darker, recipe="halved", cache=tmp_path)
        for source, name in ((crops, "1"), (more, "1"), (Mirrored(more), "2"))
    )
    joined = Joined([second, crops, first, more, alone])
    expected = [32, 33, *range(2, 17), *range(2, 17), 32, 33, 34, 35, 36, 37]
    assert joined.originals.tolist() == expected


def test_several_sources_are_read_as_one(crops: MemoryCrops) -> None:
    more = MemoryCrops(255 - crops.images[:4], SampleSet(np.array(list("abcd")), np.array(list("xxyy"))))
    joined = Joined([crops, more])
    assert joined.samples.sample_ids.tolist() == [*crops.samples.sample_ids.tolist(), *"abcd"]
    images = joined.load(np.array([15, 0, 18, 14])).images
    expected = [more.images[0], crops.images[0], more.images[3], crops.images[14]]
    np.testing.assert_array_equal(images, np.stack(expected))


def test_sources_that_share_ids_are_refused(crops: MemoryCrops) -> None:
    with pytest.raises(DataError, match=r"s00/0\.png"):
        Joined([crops, crops])


def test_a_second_look_is_the_same_crop_blurred(crops: MemoryCrops) -> None:
    rows = np.array([4, 0])
    look = Softened(crops, sigma=2)
    expected = [cv2.GaussianBlur(crops.images[row], (0, 0), 2.0) for row in rows]
    np.testing.assert_array_equal(look.load(rows).images, expected)
    assert look.samples is crops.samples
    assert look.digest == Softened(crops, sigma=2.0).digest
    assert len({look.digest, crops.digest, Softened(crops, sigma=1).digest}) == 3
