"""Every mated pair with the probability that it is drawn: the limit of ever more repetitions.

Image s draws image t of another cluster of its subject with probability w(t) = 1 / |cluster(t)|. The rank
of a drawn pair is the expected number of *other* pairs of lower similarity, those of equal similarity
counting one half:

    T(s, t) = sum of w(v) over pairs (u, v) below  +  (sum of w(v) over pairs (u, v) equal  -  w(t)) / 2.

An image's mean pair rank is a **ratio of expectations**: the expected sum of the ranks credited to it over
the expected number of pairs credited to it. The published average over repetitions tends to the expectation
of the ratio instead, and leaves an image where it is in a repetition that credits it with no pair. The first
difference is small (a rank correlation of 0.99999 is reached with many repetitions); the second is not, and
is met exactly: the step is taken times the probability that the image is credited with a pair at all.

Two passes over the Gram matrix of each subject suffice: one adds up a histogram of similarities, whose
running sum turns any similarity into a rank; one looks up each pair's rank and credits it. Gram matrices are
made in panels of 64 rows above the diagonal, so memory does not grow with a subject beyond its vectors. Where
all pairs fit into half a gigabyte their bins are kept, and only the first pass multiplies vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..comparisons.compiled import compiled
from ..comparisons.execution import Execute
from ..comparisons.partition import Partition
from ..comparisons.vectors import UnitVectors
from ..core.protocols import Progress, silent
from .bins import BINS, bin_of
from .credit import credit_share

Bins = NDArray[np.uint16]
_ONE = 1 << 28
_PANEL = 64
KEPT_PAIRS = 1 << 28
"""Most pairs whose bins are kept between the passes, at two bytes each."""
_NOTHING_KEPT: Bins = np.empty(0, np.uint16)


@dataclass(frozen=True, eq=False)
class RankTable:
    """Similarity to rank, for the mated pairs of one recogniser.

    Attributes:
        counts: (BINS,) expected number of drawn pairs of each bin, in units of 2**-28: integers, so that
            sums do not depend on how the work was split.
        n_pairs: Number of pairs in one draw.
        kept: Bins of all pairs for each part of the work, empty where they are too many to keep.
    """

    counts: NDArray[np.int64]
    n_pairs: int
    kept: list[Bins]

    @property
    def weights(self) -> NDArray[np.float64]:
        """(BINS,) expected number of drawn pairs of each bin."""
        return self.counts / _ONE

    @property
    def ranks(self) -> NDArray[np.float64]:
        """(BINS,) pairs in lower bins plus half of those in the same bin."""
        return (np.cumsum(self.counts) - self.counts / 2) / _ONE

    @property
    def resolution(self) -> float:
        """Largest error of a rank through binning, as a share of all pairs: half of the fullest bin."""
        return float(self.weights.max() / 2 / self.n_pairs)


def rank_table(
    vectors: UnitVectors, layout: Partition, *, execute: Execute, progress: Progress = silent
) -> RankTable:
    """First pass: the weighted histogram of mated similarities across clusters."""
    keep = int(_later(layout).sum()) <= KEPT_PAIRS
    results = execute(partial(_count_part, vectors, layout, keep), layout.parts(), progress)
    counts = np.sum([counts for counts, _ in results], axis=0)
    return RankTable(counts, int(layout.draws.sum()), [kept for _, kept in results])


def credit_places(
    vectors: UnitVectors,
    layout: Partition,
    *,
    table: RankTable,
    strength: NDArray[np.float64],
    soft: bool,
    execute: Execute,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """Second pass: what is credited to the image at each place, as rows of (3, n).

    The rows are the expected sum of credited pair ranks, the expected number of credited pairs, and the
    probability that there is one.

    Args:
        vectors: (n, d) unit vectors.
        layout: Samples by subject and cluster.
        table: From the first pass over the same vectors and layout.
        strength: (n,) by place, from `credit.strengths`.
        soft: Whether both images of a pair share its credit.
        execute: Where to run.
        progress: Told how many parts are done.
    """
    task = partial(_credit_part, vectors, layout, table.ranks, strength, soft)
    chunks = list(zip(layout.parts(), table.kept, strict=True))
    return np.concatenate(execute(task, chunks, progress), axis=1)


def _later(layout: Partition) -> NDArray[np.int64]:
    """(n,) places after each one, in other clusters of its subject: pairs of the upper triangle."""
    later: NDArray[np.int64] = (
        np.repeat(layout.subject_starts[1:], layout.subject_sizes) - layout.cluster_ends
    )
    return later


def _count_part(
    vectors: UnitVectors, layout: Partition, keep: bool, part: tuple[int, int]
) -> tuple[NDArray[np.int64], Bins]:
    counts = np.zeros(BINS, np.int64)
    every = [_NOTHING_KEPT]
    for _, batch in layout.batches(part):
        block, sizes = vectors.borrow(batch.rows), batch.cluster_sizes
        weights = (_ONE + sizes // 2) // sizes
        kept = np.empty(_later(batch).sum(), np.uint16) if keep else _NOTHING_KEPT
        _count_pairs(block, batch.subject_starts, batch.cluster_ends, weights, kept, counts)
        every.append(kept)
    return counts, np.concatenate(every)


def _credit_part(
    vectors: UnitVectors,
    layout: Partition,
    ranks: NDArray[np.float64],
    strength: NDArray[np.float64],
    soft: bool,
    chunk: tuple[tuple[int, int], Bins],
) -> NDArray[np.float64]:
    part, kept = chunk
    results, used = [], 0
    for start, batch in layout.batches(part):
        own, weights = strength[start : start + len(batch)], 1.0 / batch.cluster_sizes
        known = kept[used : used + int(_later(batch).sum())]
        used += len(known)
        block = np.empty((0, 0), np.float32) if len(known) else vectors.borrow(batch.rows)
        credit = np.zeros((3, len(batch)))
        starts, ends = batch.subject_starts, batch.cluster_ends
        _credit_pairs(block, starts, ends, weights, known, ranks, own, soft, credit)
        if soft:
            credit[2] = batch.draws > 0
        else:
            _chances(starts, batch.first_clusters, batch.cluster_starts, own, credit[2])
        results.append(credit)
    return np.concatenate(results, axis=1)


@compiled
def _bin_panel(
    block: NDArray[np.float32],
    ends: NDArray[np.int64],
    top: int,
    bottom: int,
    end: int,
    buffer: NDArray[np.float32],
    bins: Bins,
) -> None:
    """Bins of rows top..bottom-1 with later rows up to end-1 of other clusters, row by row."""
    if len(bins) == 0:
        return
    panel = buffer[: (bottom - top) * (end - top)].reshape(bottom - top, end - top)
    np.dot(block[top:bottom], block[top:end].T, panel)
    p = 0
    for i in range(top, bottom):
        for j in range(ends[i], end):
            bins[p] = bin_of(panel[i - top, j - top])
            p += 1


@compiled
def _count_pairs(
    block: NDArray[np.float32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    weights: NDArray[np.int64],
    kept: Bins,
    counts: NDArray[np.int64],
) -> None:
    """Add both directions of every pair across clusters to the histogram; fill `kept` unless it is empty."""
    buffer = np.empty(_PANEL * np.diff(starts).max(), np.float32)
    scratch, used = np.empty(len(buffer), np.uint16), 0
    for s in range(len(starts) - 1):
        end = starts[s + 1]
        for top in range(starts[s], end, _PANEL):
            bottom = min(top + _PANEL, end)
            size = (end - ends[top:bottom]).sum()
            bins = kept[used : used + size] if len(kept) else scratch[:size]
            _bin_panel(block, ends, top, bottom, end, buffer, bins)
            used, p = used + size, 0
            for i in range(top, bottom):
                for j in range(ends[i], end):
                    counts[bins[p]] += weights[i] + weights[j]
                    p += 1


@compiled
def _credit_pairs(
    block: NDArray[np.float32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    weights: NDArray[np.float64],
    kept: Bins,
    ranks: NDArray[np.float64],
    strength: NDArray[np.float64],
    soft: bool,
    credit: NDArray[np.float64],
) -> None:
    """Add the ranks (row 0) and numbers (row 1) of both directions of every pair to its images."""
    buffer = np.empty(_PANEL * np.diff(starts).max(), np.float32)
    scratch, used = np.empty(len(buffer), np.uint16), 0
    sums, numbers = credit[0], credit[1]
    halves = weights * weights / 2.0
    for s in range(len(starts) - 1):
        end = starts[s + 1]
        for top in range(starts[s], end, _PANEL):
            bottom = min(top + _PANEL, end)
            size = (end - ends[top:bottom]).sum()
            bins = kept[used : used + size] if len(kept) else scratch[:size]
            if not len(kept):
                _bin_panel(block, ends, top, bottom, end, buffer, bins)
            used, p = used + size, 0
            for i in range(top, bottom):
                own_sum, own_number = 0.0, 0.0
                for j in range(ends[i], end):
                    number = weights[i] + weights[j]
                    rank = ranks[bins[p]] * number - (halves[i] + halves[j])
                    share = credit_share(strength[i], strength[j], soft)
                    own_sum += share * rank
                    own_number += share * number
                    sums[j] += (1.0 - share) * rank
                    numbers[j] += (1.0 - share) * number
                    p += 1
                sums[i] += own_sum
                numbers[i] += own_number


@compiled
def _chances(
    subject_starts: NDArray[np.int64],
    first_clusters: NDArray[np.int64],
    cluster_starts: NDArray[np.int64],
    strength: NDArray[np.float64],
    chances: NDArray[np.float64],
) -> None:
    """Probability that at least one drawn pair is credited to each image, hard credit.

    Image i draws no better partner from cluster c with probability 1 - better(c) / |c|, and is itself not
    drawn by one better image with probability 1 - 1 / |cluster(i)|; all these draws are independent.
    """
    for s in range(len(subject_starts) - 1):
        for own in range(first_clusters[s], first_clusters[s + 1]):
            not_drawn = 1.0 - 1.0 / (cluster_starts[own + 1] - cluster_starts[own])
            for i in range(cluster_starts[own], cluster_starts[own + 1]):
                none, all_better = 1.0, 0
                for c in range(first_clusters[s], first_clusters[s + 1]):
                    if c == own:
                        continue
                    better = 0
                    for j in range(cluster_starts[c], cluster_starts[c + 1]):
                        better += strength[j] > strength[i]
                    none *= 1.0 - better / (cluster_starts[c + 1] - cluster_starts[c])
                    all_better += better
                chances[i] = 1.0 - none * not_drawn**all_better
