"""What training needs of its data: crops by row, targets from labels, a split that keeps subjects whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few, mean_ranks
from ..core.errors import DataError
from ..core.types import EmbeddingSet, FaceCrops, QualityScores, SampleSet


class CropSource(Protocol):
    """Aligned crops that are loaded when asked for."""

    @property
    def samples(self) -> SampleSet:
        """The n samples, in row order."""
        ...

    @property
    def digest(self) -> str:
        """Equal for equal content."""
        ...

    def load(self, rows: NDArray[np.int64]) -> FaceCrops:
        """The crops at these rows."""
        ...


class Split(NamedTuple):
    """Rows to learn from and rows to validate on; no row is in both."""

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


def rows_to_learn(
    given: Iterable[QualityScores | EmbeddingSet], samples: SampleSet, *, unlabelled: str
) -> NDArray[np.int64]:
    """Rows (m,) of the samples to learn from.

    Args:
        given: Labels and embeddings.
        samples: The n samples at hand.
        unlabelled: ``"refuse"`` takes every sample, so that one without a label is an error later on;
            ``"skip"`` takes those that all of `given` know.
    """
    known = np.ones(len(samples), dtype=bool)
    for facts in given if unlabelled == "skip" else ():
        known &= np.isin(samples.sample_ids, facts.sample_ids)
    return np.flatnonzero(known)


def targets_of(labels: QualityScores, samples: SampleSet, *, scaling: str) -> NDArray[np.float32]:
    """Regression targets (n,), in the order of the samples; labels of others are left out.

    Args:
        labels: Quality labels, one for each sample or more.
        samples: The samples to train on.
        scaling: ``"minmax"`` (the lowest label becomes 0, the highest 1), ``"rank"`` (mean rank over n - 1,
            so equal labels share a target) or ``"native"`` (as they are).

    Raises:
        DataError: If a sample has no label (the first three are named) or all labels are equal.
    """
    values: NDArray[np.floating] = labels.at(samples.sample_ids)
    if len(values) < 2 or values.min() == values.max():
        raise DataError(
            f"labels of {labels.method} are constant over the {len(values)} crops: nothing can be learnt"
        )
    targets: NDArray[np.floating]
    if scaling == "rank":
        targets = mean_ranks(values) / (len(values) - 1)
    elif scaling == "native":
        targets = values
    else:
        targets = (values - values.min()) / (values.max() - values.min())
    return targets.astype(np.float32)


def split_by_subject(
    samples: SampleSet, targets: NDArray[np.float32], *, fraction: float, seed: int
) -> Split:
    """Hold out every k-th subject in order of mean target, k = round(1 / fraction).

    The published split holds out every 20th *image* in order of label, which puts most subjects on both
    sides. Here whole subjects go to one side, and both sides still span the range of labels.

    Args:
        samples: n samples.
        targets: (n,) training targets.
        fraction: Share of subjects to validate on, in (0, 0.5]; at least one subject.
        seed: Of the first subject held out and the order of equal means.

    Raises:
        DataError: If there are fewer than two subjects.
    """
    subjects = samples.subject_codes()
    counts = np.bincount(subjects)
    if len(counts) < 2:
        raise DataError(f"a split by subject needs 2 subjects or more, got {len(counts)}")
    means = np.bincount(subjects, weights=targets) / counts
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    order = order[np.argsort(means[order], kind="stable")]
    every = min(round(1 / fraction), len(counts))
    held_out = np.isin(subjects, order[rng.integers(every) :: every])
    return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))


def split_by_sample(codes: NDArray[np.int64], *, fraction: float, seed: int) -> Split:
    """Hold out every k-th sample, k = round(1 / fraction), of the subjects that have two or more.

    Every subject keeps a sample to learn from, which objectives with a class a subject need.

    Args:
        codes: (n,) subject of each sample.
        fraction: Share of samples to validate on, in (0, 0.5]; at least one sample.
        seed: Of the samples held out.

    Raises:
        DataError: If no subject has two samples.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(np.bincount(codes)[codes] > 1))
    if not len(order):
        raise DataError("a split of the samples of each subject needs a subject with 2 samples or more")
    order = order[np.argsort(codes[order], kind="stable")]
    every = min(round(1 / fraction), len(order))
    held_out = np.sort(order[rng.integers(every) :: every])
    return Split(np.setdiff1d(np.arange(len(codes)), held_out), held_out)


def split_as_listed(
    samples: SampleSet, sample_ids: NDArray[np.str_], *, apart: Literal["subjects", "samples"]
) -> Split:
    """Hold out the samples listed.

    Args:
        samples: n samples.
        sample_ids: Those to validate on; others than the n are passed over.
        apart: What the two sides must not share. With ``"samples"``, as where subjects are classes that are
            learnt, every subject must keep a sample to learn from instead.

    Raises:
        DataError: If a side is empty, or subjects are on both (or lack training samples), naming three.
    """
    held_out = np.isin(samples.sample_ids, sample_ids)
    if not held_out.any() or held_out.all():
        raise DataError(
            f"{held_out.sum()} of the {len(samples)} samples are listed to validate on; list some, not all"
        )
    learnt, tested = (np.unique(samples.subject_ids[rows]) for rows in (~held_out, held_out))
    shared = np.isin(tested, learnt)
    if apart == "subjects" and shared.any():
        raise DataError(
            f"subjects in training and in validation: {first_few(tested[shared])}; list all samples of a "
            f"subject to validate on, or none"
        )
    if apart == "samples" and not shared.all():
        raise DataError(
            f"subjects listed whole to validate on: {first_few(tested[~shared])}; this objective learns "
            f"every subject, so list some of their samples alone"
        )
    return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))
