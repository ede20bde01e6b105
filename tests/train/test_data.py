from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError
from fiqa.core.types import EmbeddingSet, QualityScores, SampleSet
from fiqa.train.data import (
    rows_to_learn,
    split_as_listed,
    split_by_sample,
    split_by_subject,
    targets_of,
)


def samples_of(subjects: list[int]) -> SampleSet:
    ids = np.array([f"{subject}/{row}" for row, subject in enumerate(subjects)])
    return SampleSet(ids, np.array([f"subject {subject}" for subject in subjects]))


def test_targets_follow_the_samples_and_span_zero_to_one() -> None:
    samples = SampleSet(np.array(["c", "a", "d", "b"]), np.array(["x", "x", "y", "y"]))
    labels = QualityScores(np.array(["a", "b", "c", "d", "e"]), np.array([2.0, 6.0, 3.0, 3.0, 99.0]), "m")
    np.testing.assert_array_equal(targets_of(labels, samples, scaling="minmax"), [0.25, 0, 0.25, 1])
    np.testing.assert_allclose(targets_of(labels, samples, scaling="rank"), [0.5, 0, 0.5, 1])
    np.testing.assert_array_equal(targets_of(labels, samples, scaling="native"), [3, 2, 3, 6])


def test_samples_without_a_label_are_named() -> None:
    labels = QualityScores(np.array(["0/0"]), np.array([1.0]), "sdd_fiqa")
    with pytest.raises(DataError, match="sdd_fiqa: 4 of 5 ids are missing, first 1/1, 2/2, 3/3 and 1 more"):
        targets_of(labels, samples_of([0, 1, 2, 3, 4]), scaling="rank")


@pytest.mark.parametrize("scaling", ["minmax", "rank", "native"])
def test_constant_labels_are_refused(scaling: str) -> None:
    samples = samples_of([0, 0, 1])
    labels = QualityScores(samples.sample_ids, np.full(3, 2.0), "norm")
    with pytest.raises(DataError, match="labels of norm are constant over the 3 crops"):
        targets_of(labels, samples, scaling=scaling)


@given(
    subjects=st.lists(st.integers(0, 30), min_size=2, max_size=120).filter(lambda s: len(set(s)) > 1),
    fraction=st.floats(0.01, 0.5),
    seed=st.integers(0, 5),
)
def test_no_subject_is_on_both_sides(subjects: list[int], fraction: float, seed: int) -> None:
    samples = samples_of(subjects)
    targets = np.random.default_rng(seed).uniform(size=len(subjects)).astype(np.float32)
    split = split_by_subject(samples, targets, fraction=fraction, seed=seed)
    sides = [set(samples.subject_ids[rows]) for rows in split]
    assert not sides[0] & sides[1]
    assert len(split.training)
    assert len(split.validation)
    assert sorted([*split.training, *split.validation]) == list(range(len(subjects)))
    again = split_by_subject(samples, targets, fraction=fraction, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(split, again, strict=True))


def test_every_kth_subject_by_mean_target_is_held_out() -> None:
    samples = samples_of([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5])
    means = np.array([0.5, 0.1, 0.9, 0.3, 0.7, 0.2])
    targets = np.concatenate([means - 0.05, means + 0.05]).astype(np.float32)
    seen = set()
    for seed in range(20):
        rows = split_by_subject(samples, targets, fraction=1 / 3, seed=seed).validation
        seen.add(tuple(sorted(set(samples.subject_ids[rows]))))
    named = {("subject 1", "subject 0"), ("subject 5", "subject 4"), ("subject 3", "subject 2")}
    assert seen == {tuple(sorted(pair)) for pair in named}


def test_one_subject_cannot_be_split() -> None:
    with pytest.raises(DataError, match="needs 2 subjects or more, got 1"):
        split_by_subject(samples_of([4, 4]), np.array([0, 1], np.float32), fraction=0.1, seed=0)


@given(
    subjects=st.lists(st.integers(0, 12), min_size=2, max_size=60).filter(lambda s: len(set(s)) < len(s)),
    fraction=st.floats(0.01, 0.5),
    seed=st.integers(0, 5),
)
def test_every_subject_keeps_a_sample_to_learn_from(subjects: list[int], fraction: float, seed: int) -> None:
    codes = samples_of(subjects).subject_codes()
    split = split_by_sample(codes, fraction=fraction, seed=seed)
    assert sorted([*split.training, *split.validation]) == list(range(len(subjects)))
    assert set(codes[split.training]) == set(codes)
    assert len(split.validation)
    again = split_by_sample(codes, fraction=fraction, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(split, again, strict=True))


def test_the_share_of_samples_held_out_is_that_asked_for() -> None:
    codes = np.repeat(np.arange(10), 20)
    assert len(split_by_sample(codes, fraction=0.1, seed=0).validation) == 20
    with pytest.raises(DataError, match="needs a subject with 2 samples or more"):
        split_by_sample(np.arange(4), fraction=0.1, seed=0)


def test_samples_are_skipped_that_labels_or_embeddings_do_not_know() -> None:
    samples = samples_of([0, 0, 1, 1])
    labels = QualityScores(samples.sample_ids[1:], np.arange(3.0), "m")
    vectors = np.eye(3, dtype=np.float32)
    embeddings = EmbeddingSet(samples.sample_ids[[0, 1, 3]], vectors, np.ones(3), "r")
    assert rows_to_learn([labels, embeddings], samples, unlabelled="skip").tolist() == [1, 3]
    assert rows_to_learn([labels, embeddings], samples, unlabelled="refuse").tolist() == [0, 1, 2, 3]


def test_the_samples_listed_are_held_out() -> None:
    samples = samples_of([0, 0, 1, 1, 2])
    split = split_as_listed(samples, np.array(["1/3", "1/2", "9/9"]), apart="subjects")
    assert [rows.tolist() for rows in split] == [[0, 1, 4], [2, 3]]
    split = split_as_listed(samples, np.array(["0/1", "1/2"]), apart="samples")
    assert [rows.tolist() for rows in split] == [[0, 3, 4], [1, 2]]


@pytest.mark.parametrize(
    ("listed", "apart", "message"),
    [
        (["0/0", "1/2", "2/4"], "subjects", "in training and in validation: subject 0, subject 1; list all"),
        (["1/2", "2/4"], "samples", "listed whole to validate on: subject 2; .* learns every subject"),
        (["9/9"], "subjects", "0 of the 5 samples are listed to validate on; list some, not all"),
        (["0/0", "0/1", "1/2", "1/3", "2/4"], "subjects", "5 of the 5 samples are listed"),
    ],
)
def test_lists_that_cannot_be_held_out_are_refused(listed: list[str], apart: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_as_listed(samples_of([0, 0, 1, 1, 2]), np.array(listed), apart=apart)
