from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fiqa.train.batches import Batches, activations, pixels
from networks import SPEC, brightness_task


def test_an_epoch_takes_whole_batches_without_repeats() -> None:
    rows = np.arange(100, 123)
    batches = Batches(rows, size=5, seed=1)
    assert batches.per_epoch == 4
    epochs = [np.concatenate([batches.at(epoch * 4 + step) for step in range(4)]) for epoch in range(3)]
    for epoch in epochs:
        assert len(epoch) == len(set(epoch)) == 20
        assert set(epoch) <= set(rows)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0][:5], Batches(rows, size=5, seed=2).at(0))
    np.testing.assert_array_equal(epochs[0][:5], batches.at(0))


def test_fewer_samples_than_a_batch_make_one_batch_of_all() -> None:
    batches = Batches(np.arange(3), size=5, seed=0)
    assert batches.per_epoch == 1
    assert sorted(batches.at(7)) == [0, 1, 2]


def test_an_epoch_is_the_permutation_that_its_seed_draws() -> None:
    rows = np.arange(50, 60)
    order = np.random.default_rng([3, 2]).permutation(rows)
    batches = Batches(rows, size=4, seed=3)
    np.testing.assert_array_equal(np.concatenate([batches.at(4), batches.at(5)]), order[:8])


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8).filter(lambda sizes: max(sizes) > 1),
    per_subject=st.integers(2, 5),
    size=st.integers(2, 14),
    seed=st.integers(0, 9),
)
def test_groups_hold_samples_of_one_subject_and_none_is_alone(
    sizes: list[int], per_subject: int, size: int, seed: int
) -> None:
    codes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.flatnonzero(np.bincount(codes)[codes] > 1)
    batches = Batches(rows, size=size, seed=seed, codes=codes, per_subject=per_subject)
    groups = max(1, size // per_subject)
    expected = sum(n // per_subject + (n % per_subject > 1) for n in sizes)
    assert batches.per_epoch == max(1, expected // groups)
    for epoch in range(2):
        drawn = [batches.at(epoch * batches.per_epoch + step) for step in range(batches.per_epoch)]
        everything = np.concatenate(drawn)
        assert len(set(everything)) == len(everything)
        assert set(everything) <= set(rows)
        for batch in drawn:
            assert len(batch) <= groups * per_subject
            assert (np.bincount(codes[batch])[codes[batch]] > 1).all()


def test_groups_are_drawn_anew_each_epoch_and_repeat_under_a_seed() -> None:
    codes = np.repeat(np.arange(6), 7)
    make = partial(Batches, np.arange(42), size=9, codes=codes, per_subject=3)
    first, again, other = make(seed=1), make(seed=1), make(seed=2)
    assert first.per_epoch == 4
    late = again.at(9)
    np.testing.assert_array_equal(first.at(9), late)
    assert not np.array_equal(first.at(1), late)
    assert not np.array_equal(other.at(9), late)
    left_over = [
        set(range(42)) - set(np.concatenate([first.at(e * 4 + k) for k in range(4)])) for e in (0, 1)
    ]
    assert [len(rows) for rows in left_over] == [6, 6]
    assert left_over[0] != left_over[1]


def test_batches_come_as_the_network_wants_them() -> None:
    images, _ = brightness_task(2, 2)
    rows = np.array([3, 0])
    batch = pixels(images, SPEC, device="cpu")(rows)
    np.testing.assert_array_equal(batch.numpy(), SPEC.prepare(images.images[rows]))
    features = np.arange(8, dtype=np.float16).reshape(4, 2)
    assert activations(features, device="cpu")(rows).tolist() == [[6.0, 7.0], [0.0, 1.0]]


@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=9),
    count=st.integers(1, 12),
    seed=st.integers(0, 3),
)
def test_parts_are_the_batch_and_keep_samples_of_a_subject_together(
    sizes: list[int], count: int, seed: int
) -> None:
    codes = np.repeat(np.arange(len(sizes)), sizes)
    together = Batches(np.arange(len(codes)), size=8, seed=seed, codes=codes, per_subject=3)
    alone = Batches(np.arange(len(codes)), size=8, seed=seed)
    for batches in (together, alone):
        if not batches.per_epoch:
            continue
        rows = batches.at(0)
        parts = batches.parts(rows, count)
        assert len(parts) == count
        np.testing.assert_array_equal(np.concatenate(parts), rows)
        if batches is alone:
            assert np.ptp([len(part) for part in parts]) <= 1
        else:
            owners = [set(codes[part]) for part in parts if len(part)]
            assert sum(map(len, owners)) == len(set().union(*owners))
