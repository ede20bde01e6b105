"""The threshold at an FMR from all non-mated comparisons of a data set, none of them kept.

A protocol of some thousand non-mated pairs cannot resolve an FMR of 1e-4; the millions of pairs among the
same images can. Comparisons are made tile by tile, and only the highest similarities so far are held.
Similarities that come from elsewhere in blocks are counted in a histogram, refined on a second pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import finite, whole
from ..core.errors import DataError, SettingsError
from ..core.protocols import Progress, silent
from ..core.types import EmbeddingSet, SampleSet
from .error_rates import above

TILE = 4096
_SLACK = 1 << 20
_HALF = 1 << 16
_SIGN = np.uint32(1 << 31)


@dataclass(frozen=True)
class NonMatedThreshold:
    """A threshold and what it rests on.

    Attributes:
        threshold: Accept when similarity >= threshold.
        fmr: Share of the non-mated comparisons accepted, at most the target.
        n_non_mated: How many comparisons were made.
    """

    threshold: float
    fmr: float
    n_non_mated: int


def threshold_among_all(
    embeddings: EmbeddingSet, samples: SampleSet, *, fmr: float, progress: Progress = silent
) -> NonMatedThreshold:
    """The lowest threshold whose FMR over all pairs of samples of different subjects is at most the target.

    Exact, with the inequality and ties of `error_rates.threshold_at_fmr`. Time grows with the square of the
    number of samples; memory is a few tiles of 64 MB, plus 20 bytes for each comparison accepted.

    Args:
        embeddings: Unit vectors, float32 or float16, memory-mapped or not.
        samples: Subject of every embedded sample.
        fmr: Target in (0, 1).
        progress: Called with tiles done and in all.

    Raises:
        DataError: If a sample has no subject, or all samples show one subject.
        SettingsError: If the target is not inside (0, 1).
    """
    if not 0.0 < fmr < 1.0:
        raise SettingsError(f"fmr must lie inside (0, 1), got {fmr}")
    codes = samples.at(embeddings.sample_ids).subject_codes()
    order = np.argsort(codes, kind="stable")
    n_pairs = (codes.size**2 - int(np.square(np.bincount(codes)).sum())) // 2
    if not n_pairs:
        raise DataError("all samples show one subject: there is no non-mated comparison")
    highest = HighestScores(int(whole(fmr * n_pairs)) + 1)
    n_tiles = -(-codes.size // TILE)
    total = n_tiles * (n_tiles + 1) // 2
    for done, similarity in enumerate(_tiles(embeddings.vectors, codes, order)):
        highest.add(similarity)
        progress(done + 1, total)
    top = highest.scores()
    accepted = int(np.count_nonzero(top > top[0]))
    return NonMatedThreshold(above(top[0]), accepted / n_pairs, n_pairs)


def threshold_among_blocks(blocks: Iterable[ArrayLike], *, fmr: float) -> NonMatedThreshold:
    """The same threshold from similarities that come in blocks, in memory that does not grow with them.

    The first pass counts the upper half of the bits of each similarity, the second the lower half of those
    that share the upper half of the one sought: exact, in two passes of linear time and 1 MB beside a block.

    Args:
        blocks: Arrays of non-mated similarities, taken as float32. Walked twice: a list, or an object whose
            `__iter__` starts anew, not a generator.
        fmr: Target in (0, 1).

    Raises:
        DataError: If there is no similarity, one is not finite, or the second walk meets others.
        SettingsError: If the target is not inside (0, 1).
    """
    if not 0.0 < fmr < 1.0:
        raise SettingsError(f"fmr must lie inside (0, 1), got {fmr}")
    upper = np.zeros(_HALF, dtype=np.int64)
    for block in blocks:
        upper += np.bincount(_keys(block) >> 16, minlength=_HALF)
    total = int(upper.sum())
    if not total:
        raise DataError("no non-mated comparison: an FMR needs some; give a threshold instead")
    place = int(whole(fmr * total))
    top, above_top = _from_the_top(upper, place)
    lower = np.zeros(_HALF, dtype=np.int64)
    for block in blocks:
        keys = _keys(block)
        lower += np.bincount(keys[keys >> 16 == top] & 0xFFFF, minlength=_HALF)
    if lower.sum() != upper[top]:
        raise DataError(
            f"the second walk over the blocks met {lower.sum()} of {upper[top]} similarities it should: "
            "give a list or an object that can be walked again"
        )
    bottom, above_bottom = _from_the_top(lower, place - above_top)
    key = np.array([top << 16 | bottom], dtype=np.uint32)
    (value,) = np.where(key & _SIGN, key ^ _SIGN, ~key).view(np.float32)
    return NonMatedThreshold(above(value), (above_top + above_bottom) / total, total)


def _keys(block: ArrayLike) -> NDArray[np.uint32]:
    """Unsigned integers in the order of the float32 they stand for."""
    scores = finite("non-mated similarity", block, dtype=np.float32).ravel() + np.float32(0)  # -0 is 0
    bits = scores.view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _from_the_top(counts: NDArray[np.int64], place: int) -> tuple[int, int]:
    """Bin of the score at this place, counted from 0 at the highest, and how many lie in higher bins."""
    at_or_above = counts[::-1].cumsum()
    reverse = int(np.searchsorted(at_or_above, place, side="right"))
    found = len(counts) - 1 - reverse
    return found, int(at_or_above[reverse] - counts[found])


class HighestScores:
    """The `count` highest of a stream of scores, ties at the edge as often as there is room for them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held = np.empty(0, dtype=np.float32)
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._bound = np.float32(-np.inf)

    def add(self, scores: NDArray[np.float32]) -> None:
        """Take in an array of any shape; what cannot be among the highest is dropped at once."""
        candidates = scores[scores > self._bound]
        self._waiting.append(candidates)
        self._n_waiting += candidates.size
        if self._n_waiting > max(self._count, _SLACK):
            self._settle()

    def scores(self) -> NDArray[np.float32]:
        """The scores held, at most `count`, rising."""
        self._settle()
        return np.sort(self._held)

    def _settle(self) -> None:
        held = np.concatenate([self._held, *self._waiting])
        self._waiting, self._n_waiting = [], 0
        if held.size >= self._count:
            held.partition(held.size - self._count)
            held = held[held.size - self._count :].copy()
            self._bound = held[0]
        self._held = held


def _tiles(
    vectors: NDArray[np.floating], codes: NDArray[np.int64], order: NDArray[np.intp]
) -> Iterator[NDArray[np.float32]]:
    """Similarities tile by tile, each pair of subjects once; what is not a non-mated pair is minus infinity.

    With samples sorted by subject, a pair counts where the column's subject comes after the row's.
    """
    for top in range(0, order.size, TILE):
        rows = order[top : top + TILE]
        left_vectors = vectors[rows].astype(np.float32, copy=False)
        for left in range(top, order.size, TILE):
            columns = order[left : left + TILE]
            similarity = left_vectors @ vectors[columns].astype(np.float32, copy=False).T
            if codes[columns[0]] <= codes[rows[-1]]:
                similarity[codes[columns] <= codes[rows][:, None]] = -np.inf
            yield similarity
