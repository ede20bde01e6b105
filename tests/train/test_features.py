from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import DataError
from fiqa.train import features as module
from fiqa.train.features import cached_features, held
from networks import SPEC, MemoryCrops, brightness_task, chain, tiny_recogniser


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 10)
    monkeypatch.setattr(module, "_BATCH", 4)


@pytest.fixture
def images() -> MemoryCrops:
    return brightness_task(4, 6)[0]


def test_features_are_the_activations_at_the_cut(images: MemoryCrops, tmp_path: Path) -> None:
    lower, _ = tiny_recogniser().split("t3")
    steps: list[tuple[int, int]] = []
    found = cached_features(
        images, lower, spec=SPEC, cache=tmp_path, progress=lambda done, total: steps.append((done, total))
    )
    with torch.inference_mode():
        expected = lower(torch.from_numpy(SPEC.prepare(images.images))).numpy()
    assert found.dtype == np.float16
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, expected.astype(np.float16))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert len(list(tmp_path.iterdir())) == 1


def test_features_are_held_in_memory_up_to_a_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.arange(6, dtype=np.float16))
    mapped = np.load(tmp_path / "f.npy", mmap_mode="r")
    assert not isinstance(held(mapped), np.memmap)
    np.testing.assert_array_equal(held(mapped), mapped)
    monkeypatch.setattr(module, "_IN_MEMORY", 11)
    assert held(mapped) is mapped


def test_a_second_training_reads_what_the_first_computed(images: MemoryCrops, tmp_path: Path) -> None:
    lower, _ = tiny_recogniser().split("t3")
    first = cached_features(images, lower, spec=SPEC, cache=tmp_path)
    images.loads = 0
    np.testing.assert_array_equal(cached_features(images, lower, spec=SPEC, cache=tmp_path), first)
    assert images.loads == 0


def test_other_crops_networks_and_cuts_have_caches_of_their_own(images: MemoryCrops, tmp_path: Path) -> None:
    other = MemoryCrops(images.images[::-1].copy(), images.samples)
    for crops, recogniser, cut in [
        (images, tiny_recogniser(), "t3"),
        (other, tiny_recogniser(), "t3"),
        (images, tiny_recogniser(seed=1), "t3"),
        (images, tiny_recogniser(), "t6"),
    ]:
        cached_features(crops, recogniser.split(cut)[0], spec=SPEC, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_killed_run_goes_on_with_the_chunk_it_was_at(images: MemoryCrops, tmp_path: Path) -> None:
    lower, _ = tiny_recogniser().split("t3")
    whole = np.array(cached_features(images, lower, spec=SPEC, cache=tmp_path / "whole"))

    def kill(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features(images, lower, spec=SPEC, cache=tmp_path / "cut", progress=kill)
    images.loads = 0
    np.testing.assert_array_equal(cached_features(images, lower, spec=SPEC, cache=tmp_path / "cut"), whole)
    assert images.loads == 1


def test_activations_beyond_float16_are_refused(images: MemoryCrops, tmp_path: Path) -> None:
    layer = nn.Conv2d(3, 1, 1)
    with torch.no_grad():
        layer.weight.fill_(1e5)
    with pytest.raises(DataError, match=r"activations of s00/0.png, s00/1.png, s00/2.png and 7 more are not"):
        cached_features(images, chain(layer, nn.Flatten()), spec=SPEC, cache=tmp_path)
