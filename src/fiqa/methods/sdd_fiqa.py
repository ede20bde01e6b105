"""SDD-FIQA: a good image is close to its own subject and far from all others."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .bounds import whole

logger = logging.getLogger(__name__)

_GATHERED_VALUES = 4 * 2**20


class SddFiqa:
    """Similarity distribution distance between mated and non-mated comparisons, as a label in [0, 100].

    In each of `repetitions` rounds every sample is compared with up to `comparisons` other samples of its
    subject and as many of other subjects, drawn without replacement. Its distance is the Wasserstein-1
    distance between the two sets of cosine similarities; the distances of a round are brought to 0..100 by
    their minimum and maximum, and the label is the mean over the rounds, higher = more useful.

    A subject with fewer samples gives all it has. A sample that is the only one of its subject has no mated
    comparison and gets no label: it is left out of the result and counted in the log.

    Source:
        Ou, Chen, Zhang, Huang, Li, Li, Zhang, Cao, Wang, "SDD-FIQA: Unsupervised Face Image Quality
        Assessment with Similarity Distribution Distance", CVPR 2021, section 3, arXiv 2103.05977.
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
            DataError: If `samples` lacks an embedded sample, no sample has a mated partner, there is one
                subject alone, or all samples have one distance.
        """
        groups = _Groups(samples.at(embeddings.sample_ids).subject_codes())
        logger.info("sdd_fiqa: %d samples without a mated partner get no label", groups.n_single)
        total = np.zeros(len(groups.rows))
        for _ in range(self.repetitions):
            distances = self._distances(embeddings.vectors, groups, rng=rng)
            lowest, highest = distances.min(), distances.max()
            if lowest == highest:
                raise DataError(
                    "SDD-FIQA: all samples have the same distance, so none is better than another"
                )
            total += (distances - lowest) / (highest - lowest)
        labels = 100 / self.repetitions * total
        return QualityScores(embeddings.sample_ids[groups.rows], labels, self.name)

    def _distances(
        self, vectors: NDArray[np.floating], groups: _Groups, *, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Distance of each labelled sample from one fresh draw, in blocks of bounded memory."""
        distances = np.empty(len(groups.rows))
        block = max(1, _GATHERED_VALUES // (self.comparisons * vectors.shape[1]))
        for start in range(0, len(distances), block):
            rows = groups.rows[start : start + block]
            own = np.asarray(vectors[rows], dtype=np.float32)
            mated, n_mated = groups.draw_mated(rows, self.comparisons, rng=rng)
            others, n_others = groups.draw_non_mated(rows, self.comparisons, rng=rng)
            distances[start : start + block] = wasserstein(
                _similarities(own, vectors, chosen=mated),
                _similarities(own, vectors, chosen=others),
                first_counts=n_mated,
                second_counts=n_others,
            )
        return distances


class _Groups:
    """Samples ordered by subject, so that a subject is a stretch [start, start + size) of that order."""

    def __init__(self, codes: NDArray[np.int64]) -> None:
        sizes = np.bincount(codes)
        if len(sizes) < 2:
            raise DataError("SDD-FIQA needs samples of at least two subjects")
        self._order = np.argsort(codes, kind="stable")
        self._place = np.argsort(self._order, kind="stable")
        self._sizes = sizes[codes]
        self._starts = (np.cumsum(sizes) - sizes)[codes]
        self.rows = np.flatnonzero(self._sizes > 1)
        self.n_single = len(codes) - len(self.rows)
        if not len(self.rows):
            raise DataError("SDD-FIQA needs a subject with at least two samples")

    def draw_mated(
        self, rows: NDArray[np.int64], count: int, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Up to `count` other samples of each row's subject: indices (n, count) and how many count."""
        starts, sizes, own = self._starts[rows], self._sizes[rows], self._place[rows]
        drawn, counts = draw_distinct(sizes - 1, count, rng=rng)
        places = starts[:, None] + drawn
        places += places >= own[:, None]
        return self._order[places], counts

    def draw_non_mated(
        self, rows: NDArray[np.int64], count: int, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Up to `count` samples of other subjects, likewise."""
        starts, sizes = self._starts[rows], self._sizes[rows]
        drawn, counts = draw_distinct(len(self._order) - sizes, count, rng=rng)
        return self._order[drawn + sizes[:, None] * (drawn >= starts[:, None])], counts


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
    drawn = np.full((len(populations), count), -1)
    for step in range(count):
        highest = populations - counts + step
        pick = rng.integers(0, highest, endpoint=True)
        pick = np.where((drawn == pick[:, None]).any(axis=1), highest, pick)
        drawn[:, step] = np.where(step < counts, pick, -1)
    return np.maximum(drawn, 0), counts


def wasserstein(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    *,
    first_counts: NDArray[np.int64],
    second_counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Exact Wasserstein-1 distance (n,) between two empirical distributions a row.

    It is the area between the two distribution functions, each a staircase over the pooled values.

    Args:
        first: Values (n, p), of which the first `first_counts` of a row count.
        second: Values (n, q), likewise.
        first_counts: (n,) in 1..p.
        second_counts: (n,) in 1..q.
    """
    values = np.concatenate([first, second], axis=1, dtype=np.float64)
    steps = np.concatenate([_steps(first, first_counts), -_steps(second, second_counts)], axis=1)
    order = np.argsort(values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    heights = np.cumsum(np.take_along_axis(steps, order, axis=1), axis=1)
    areas: NDArray[np.float64] = np.einsum("nk,nk->n", np.abs(heights[:, :-1]), np.diff(values, axis=1))
    return areas


def _steps(values: NDArray[np.floating], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each value adds to its distribution function: 1 / count, or 0 where it does not count."""
    return (np.arange(values.shape[1]) < counts[:, None]) / counts[:, None]


def _similarities(
    own: NDArray[np.float32], vectors: NDArray[np.floating], *, chosen: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cosine similarities (n, count) of each row with the chosen ones."""
    others = np.asarray(vectors[chosen], dtype=np.float32)
    similarities: NDArray[np.float32] = np.matmul(others, own[:, :, None])[:, :, 0]
    return similarities
