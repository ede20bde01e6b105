from __future__ import annotations

import numpy as np

from fiqa.train.batches import Batches, activations, pixels
from networks import SPEC, brightness_task


def test_an_epoch_takes_whole_batches_without_repeats() -> None:
    rows = np.arange(100, 123)
    assert steps_per_epoch(23, 5) == 4
    epochs = [
        np.concatenate([batch_rows(rows, epoch * 4 + step, batch_size=5, seed=1) for step in range(4)])
        for epoch in range(3)
    ]
    for epoch in epochs:
        assert len(epoch) == len(set(epoch)) == 20
        assert set(epoch) <= set(rows)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0][:5], batch_rows(rows, 0, batch_size=5, seed=2))
    np.testing.assert_array_equal(epochs[0][:5], batch_rows(rows, 0, batch_size=5, seed=1))


def test_fewer_samples_than_a_batch_make_one_batch_of_all() -> None:
    assert steps_per_epoch(3, 5) == 1
    assert sorted(batch_rows(np.arange(3), 7, batch_size=5, seed=0)) == [0, 1, 2]


def test_batches_come_as_the_network_wants_them() -> None:
    images, _ = brightness_task(2, 2)
    rows = np.array([3, 0])
    batch = pixels(images, SPEC, device="cpu")(rows)
    np.testing.assert_array_equal(batch.numpy(), SPEC.prepare(images.images[rows]))
    features = np.arange(8, dtype=np.float16).reshape(4, 2)
    assert activations(features, device="cpu")(rows).tolist() == [[6.0, 7.0], [0.0, 1.0]]
