from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import SampleSet
from fiqa.train import features as module
from fiqa.train.variants import Joined, Mirrored, Variants
from networks import MemoryCrops, brightness_task


@pytest.fixture
def crops() -> MemoryCrops:
    return brightness_task(3, 5)[0]


def darker(image: np.ndarray, sample_id: str, number: int) -> np.ndarray:
    return image // (number + 1) + np.uint8(len(sample_id) % 3)


def test_variants_are_what_was_made_of_each_crop_and_are_made_once(
    crops: MemoryCrops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK", 7)
    variants = Variants(crops, count=2, seed=0, vary=darker, cache=tmp_path)
    assert len(variants.samples) == 30
    for row, name in enumerate(crops.samples.sample_ids.tolist()):
        for number in (1, 2):
            place = row + 15 * (number - 1)
            assert variants.samples.sample_ids[place] == f"{name}+{number}"
            assert variants.samples.subject_ids[place] == crops.samples.subject_ids[row]
            expected = darker(crops.images[row], name, number)
            np.testing.assert_array_equal(variants.load(np.array([place])).images[0], expected)
    crops.loads = 0
    Variants(crops, count=2, seed=0, vary=darker, cache=tmp_path)
    assert crops.loads == 0
    other = Variants(crops, count=2, seed=1, vary=darker, cache=tmp_path)
    assert crops.loads == 5
    assert other.digest != variants.digest


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
