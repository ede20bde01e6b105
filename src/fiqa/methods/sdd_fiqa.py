"""SDD-FIQA: a good image is close to its own subject and far from all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .bounds import whole
from .class_centre import with_partner
from .published import Published

_BLOCK_ROWS = 1024
_POOL = 2048


class SddFiqa(Published):
    """The score of the official network, about [0, 100], higher = more useful.

    It was trained to give the label below from the face alone.

    Source:
        As `SddFiqaLabels`.
    """

    name = "sdd_fiqa"


class SddFiqaLabels:
    """Similarity distribution distance between mated and non-mated comparisons, as a label in [0, 100].

    In each of `repetitions` rounds every sample is compared with up to `comparisons` other samples of its
    subject and as many of other subjects, drawn without replacement. Its distance is the Wasserstein-1
    distance between the two sets of cosine similarities; the distances of a round are brought to 0..100 by
    their minimum and maximum, and the label is the mean over the rounds, higher = more useful.

    A subject with fewer samples gives all it has. The only sample of a subject has no mated comparison and
    gets no label: it is left out of the result and counted in the log. Past 2048 samples the non-mated
    ones are drawn from 2048 random samples, new ones for every 1024 samples to be labelled, so that all
    similarities come from matrix products.

    Source:
        Ou, Chen, Zhang, Huang, Li, Li, Zhang, Cao, Wang, "SDD-FIQA: Unsupervised Face Image Quality
        Assessment with Similarity Distribution Distance", CVPR 2021, arXiv 2103.05977.
    """

    name = "sdd_fiqa"

    def __init__(self, *, comparisons: int = 24, repetitions: int = 12) -> None:
        """Set the size of a draw and the number of draws.

        Args:
            comparisons: Largest number of mated, and of non-mated, comparisons of a sample in a round.
            repetitions: Number of rounds.

        Raises:
            SettingsError: If one of them is below 1.
        """
        self.comparisons = whole("comparisons", comparisons)
        self.repetitions = whole("repetitions", repetitions)

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:
        """Labels of the samples with a mated partner, in the order of `embeddings.sample_ids`.

        Raises:
            DataError: If `samples` lacks an embedded sample, no subject has two samples, a sample has none
                of another subject to be compared with, or all samples have one distance.
        """
        codes = samples.at(embeddings.sample_ids).subject_codes()
        rows = with_partner(codes, method=self.name)
        faces = _BySubject(embeddings.vectors, codes)
        places = np.flatnonzero(np.bincount(codes)[codes[faces.order]] > 1)
        blocks = np.split(places, range(_BLOCK_ROWS, len(places), _BLOCK_ROWS))
        distances = np.concatenate([self._distances(faces, block, rng) for block in blocks], axis=1)
        lowest, highest = distances.min(axis=1, keepdims=True), distances.max(axis=1, keepdims=True)
        if np.any(lowest == highest):
            raise DataError("SDD-FIQA: all samples have one distance, so none is better than another")
        labels = np.empty(len(codes))
        labels[faces.order[places]] = 100 * ((distances - lowest) / (highest - lowest)).mean(axis=0)
        return QualityScores(embeddings.sample_ids[rows], labels[rows], self.name)

    def _distances(
        self, faces: _BySubject, places: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Distances (repetitions, b) of the samples at these places of the order by subject."""
        mated, others = faces.mated(places), faces.non_mated(places, rng)
        distances = np.empty((self.repetitions, len(places)))
        for row in distances:
            first, first_counts = mated.draw(self.comparisons, rng)
            second, second_counts = others.draw(self.comparisons, rng)
            row[:] = wasserstein(first, second, first_counts=first_counts, second_counts=second_counts)
        return distances


@dataclass(frozen=True)
class _Candidates:
    """Whom each of b samples may be compared with: a stretch of columns with a gap in it.

    Attributes:
        similarity: (b, k) with every candidate of the block.
        stretch: (b, 2) first column and the one after the last.
        gap: (b, 2) likewise, within the stretch.
    """

    similarity: NDArray[np.float32]
    stretch: NDArray[np.int64]
    gap: NDArray[np.int64]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities (b, count) with drawn candidates, of which the first (b,) counts of a row count."""
        width = self.gap[:, 1] - self.gap[:, 0]
        numbers, counts = draw_distinct(self.stretch[:, 1] - self.stretch[:, 0] - width, count, rng=rng)
        columns = self.stretch[:, :1] + numbers
        columns += width[:, None] * (columns >= self.gap[:, :1])
        return np.take_along_axis(self.similarity, columns, axis=1), counts


class _BySubject:
    """Samples ordered by subject, so that each subject is a stretch of places."""

    def __init__(self, vectors: NDArray[np.floating], codes: NDArray[np.int64]) -> None:
        self.order = np.argsort(codes, kind="stable")
        self._vectors = vectors
        sizes = np.bincount(codes)
        stops = np.cumsum(sizes)
        self._subjects = np.stack([stops - sizes, stops], axis=1)[codes[self.order]]

    def mated(self, places: NDArray[np.int64]) -> _Candidates:
        """All samples of the subjects that a run of places belongs to; a gap where it meets itself."""
        stretch = self._subjects[places]
        near = np.arange(stretch[0, 0], stretch[-1, 1])
        gap = np.stack([places, places + 1], axis=1)
        return _Candidates(self._similarity(places, near), stretch - near[0], gap - near[0])

    def non_mated(self, places: NDArray[np.int64], rng: np.random.Generator) -> _Candidates:
        """A random pool of samples; a gap where the own subject is.

        Raises:
            DataError: If the pool holds nothing else for one of the places.
        """
        n_samples = len(self.order)
        pool = np.sort(rng.choice(n_samples, min(_POOL, n_samples), replace=False, shuffle=False))
        gap = np.searchsorted(pool, self._subjects[places])
        if np.any(gap[:, 1] - gap[:, 0] == len(pool)):
            raise DataError(
                "SDD-FIQA needs samples of other subjects: one subject holds (nearly) all of them"
            )
        stretch = np.broadcast_to([0, len(pool)], gap.shape)
        return _Candidates(self._similarity(places, pool), stretch, gap)

    def _similarity(self, places: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
        own, theirs = (
            np.asarray(self._vectors[self.order[chosen]], dtype=np.float32) for chosen in (places, others)
        )
        return own @ theirs.T


def draw_distinct(
    populations: NDArray[np.int64], count: int, *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row a uniform draw without replacement of `count` numbers out of 0..population-1.

    Args:
        populations: (n,) sizes, at least 1.
        count: Numbers to draw; a smaller population is drawn whole.
        rng: Source of randomness.

    Returns:
        Numbers (n, count), of which the first (n,) counts of a row are drawn and the rest are 0.

    Source:
        Floyd in Bentley, Floyd, "Programming Pearls: A Sample of Brilliance", CACM 30(9), 1987,
        doi:10.1145/30401.315746, algorithm F2, all rows at once.
    """
    counts = np.minimum(populations, count)
    chance = rng.random((count, len(populations)))
    drawn = np.zeros(chance.shape, np.int64)
    for step in range(count):
        last = populations - counts + step
        pick = (chance[step] * (last + 1)).astype(np.int64)
        taken = (drawn[:step] == pick).any(axis=0)
        drawn[step] = np.where(taken, last, pick)
    drawn[np.arange(count)[:, None] >= counts] = 0
    return drawn.T, counts


def wasserstein(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    first_counts: NDArray[np.int64],
    second_counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Exact Wasserstein-1 distance (n,) between two empirical distributions a row.

    It is the area between the two distribution functions, staircases over the pooled, sorted values.

    Args:
        first: Values (n, p), of which the first `first_counts` of a row count.
        second: Values (n, q), likewise.
        first_counts: (n,) in 1..p.
        second_counts: (n,) in 1..q.
    """
    values = np.concatenate([first, second], axis=1, dtype=np.float64)
    steps = np.concatenate([_steps(first, first_counts), -_steps(second, second_counts)], axis=1)
    order = np.argsort(values, axis=1)
    heights = np.cumsum(np.take_along_axis(steps, order, axis=1), axis=1)
    widths = np.diff(np.take_along_axis(values, order, axis=1), axis=1)
    areas: NDArray[np.float64] = np.einsum("nk,nk->n", np.abs(heights[:, :-1]), widths)
    return areas


def _steps(values: NDArray[np.floating], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each value adds to its distribution function: 1 / count, or 0 where it does not count."""
    return (np.arange(values.shape[1]) < counts[:, None]) / counts[:, None]
