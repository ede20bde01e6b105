"""PCNet: the worse image of a mated pair explains how similar the pair is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .bounds import whole
from .class_centre import with_partner

_BLOCK_PAIRS = 2**22
_SETTLED = 1e-6
_NO_GAIN = 1e-12


class PcNet:
    """Labels q that minimise the pair-minimum loss of a subject, higher = more useful.

        sum over mated pairs (i, j) of (cosine similarity of i and j - min(q_i, q_j))^2

    The published network learns to output such q; here they are found sample by sample, each in turn set to
    its exact optimum given the others, from the mean mated similarity on until none moves. They lie within
    the range of the subject's similarities, in [-1, 1]. The best sample of a subject is never the worse one
    of a pair, which leaves it free above the second best: it gets the same label. The only sample of a
    subject gets none: it is left out of the result and counted in the log.

    Source:
        Xie, Byrne, Zisserman, "Inducing Predictive Uncertainty Estimation for Face Recognition", BMVC 2020,
        arXiv 2009.00603.
    """

    name = "pcnet"

    def __init__(self, *, sweeps: int = 30) -> None:
        """Bound the work.

        Args:
            sweeps: Largest number of times that every sample has its turn.

        Raises:
            SettingsError: If it is below 1.
        """
        self.sweeps = whole("sweeps", sweeps)

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """Labels of the samples with a mated partner, in the order of `embeddings.sample_ids`.

        Memory grows with the square of the largest subject.

        Raises:
            DataError: If `samples` lacks an embedded sample or no subject has two samples.
        """
        codes = samples.at(embeddings.sample_ids).subject_codes()
        rows = with_partner(codes, method=self.name)
        labels = np.empty(len(codes))
        for members in _subjects_of_one_size(codes):
            vectors = np.asarray(embeddings.vectors[members], dtype=np.float32)
            labels[members] = pair_minimum_fit(vectors @ vectors.mT, sweeps=self.sweeps)
        return QualityScores(embeddings.sample_ids[rows], labels[rows], self.name)


def _subjects_of_one_size(codes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Rows (subjects, size) of the samples of subjects with as many of them, in blocks of bounded memory."""
    order, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 1]):
        members = order[starts[sizes == size, None] + np.arange(size)]
        count = max(1, _BLOCK_PAIRS // size**2)
        yield from np.split(members, range(count, len(members), count))


def pair_minimum_fit(similarity: NDArray[np.floating], *, sweeps: int = 30) -> NDArray[np.float64]:
    """The q (b, m) that explain similarities (b, m, m) of b subjects by the lower one of each pair.

    Samples have their turns from the lowest mean similarity to the highest, so that the result follows the
    samples however they are ordered. No turn raises the loss.

    Args:
        similarity: Symmetric; diagonals are not looked at. m is at least 2.
        sweeps: Largest number of rounds.
    """
    similarity = similarity.astype(np.float64)
    n_samples = similarity.shape[1]
    mean = (similarity.sum(axis=2) - np.einsum("bii->bi", similarity)) / (n_samples - 1)
    order = np.argsort(mean, axis=1, kind="stable")
    subjects = np.arange(len(order))[:, None]
    similarity = similarity[subjects[:, :, None], order[:, :, None], order[:, None, :]]
    quality = np.take_along_axis(mean, order, axis=1)
    for _ in range(sweeps):
        before = quality.copy()
        for turn in range(n_samples):
            others = np.delete(quality, turn, axis=1)
            quality[:, turn] = _best_level(np.delete(similarity[:, turn], turn, axis=1), others)
        if np.abs(quality - before).max() < _SETTLED:
            break
    second_best = np.partition(quality, -2, axis=1)[:, -2:-1]
    result = np.empty_like(quality)
    result[subjects, order] = np.minimum(quality, second_best)
    return result


def _best_level(similarity: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The q (b,) of a sample that explains its similarities (b, k) to the others of these q (b, k) best.

    Where c others lie above it, the best level between the c-th and the next is the mean of the similarities
    to those c, clipped; the rest costs what it costs, and the cheapest c wins. Where staying above all others
    is as cheap, the sample goes as high as its highest similarity, out of the way of the next best.
    """
    order = np.argsort(-others, axis=1, kind="stable")
    similarity, others = (np.take_along_axis(values, order, axis=1) for values in (similarity, others))
    count = np.arange(1, others.shape[1] + 1)
    total = np.cumsum(similarity, axis=1)
    floor = np.pad(others[:, 1:], ((0, 0), (0, 1)), constant_values=-np.inf)
    level = np.clip(total / count, floor, others)
    above = np.cumsum(similarity**2, axis=1) - 2 * level * total + count * level**2
    misfit = np.cumsum((similarity - others) ** 2, axis=1)
    saved = misfit - above
    chosen = np.argmax(saved, axis=1)[:, None]
    best = np.take_along_axis(level, chosen, axis=1)[:, 0]
    stays_above = np.take_along_axis(saved, chosen, axis=1)[:, 0] < _NO_GAIN
    highest = np.maximum(similarity.max(axis=1), others[:, 0])
    return np.where(stays_above, highest, best)
