"""What an optimisation did to the labels, in numbers that go with every result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparisons.partition import Partition
from .shift import RankShift

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Counts and distributions of one optimisation; ranks run from 0 to n-1, shifts are new minus old.

    Attributes:
        n_samples: Images.
        n_subjects: Subjects.
        n_singletons: Subjects with one image, which form no mated pair.
        n_single_cluster: Subjects with several images in one cluster, which are not compared either.
        n_pairs: Mated pairs of one draw.
        rounds: Rounds run until the last one or until no rank changed.
        share_never_worse: Share of the images with a partner whose base rank is above that of every image
            they can be paired with, so that hard credit never moves them in the first round.
        share_moved: Share of images whose rank changed.
        spearman: Rank correlation of the labels before and after.
        mean_shift: Mean absolute rank shift, as a share of n.
        max_shift: Largest absolute rank shift, as a share of n.
        subject_shift: (7,) quantiles over subjects (0, 5, 25, 50, 75, 95, 100 %) of their mean rank shift,
            as a share of n.
        similarity: (m, 256) drawn mated pairs by similarity in equal bins on [-1, 1], for each recogniser.
        rank_resolution: Largest error of a pair rank through binning, as a share of n_pairs; 0 if sampled.
        moved_up: Rows of the images that rose most, most first.
        moved_down: Rows of the images that fell most, most first.
    """

    n_samples: int
    n_subjects: int
    n_singletons: int
    n_single_cluster: int
    n_pairs: int
    rounds: int
    share_never_worse: float
    share_moved: float
    spearman: float
    mean_shift: float
    max_shift: float
    subject_shift: NDArray[np.float64]
    similarity: NDArray[np.float64]
    rank_resolution: float
    moved_up: NDArray[np.int64]
    moved_down: NDArray[np.int64]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, as JSON holds them."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }


def diagnose(
    shift: RankShift,
    layout: Partition,
    *,
    similarity: NDArray[np.float64],
    rank_resolution: float,
    n_extremes: int = 24,
) -> Diagnostics:
    """Sum up one optimisation.

    Args:
        shift: What moved.
        layout: Samples by subject and cluster.
        similarity: (m, 256) histogram of drawn mated similarities for each recogniser.
        rank_resolution: Largest error of a pair rank, as a share of all pairs.
        n_extremes: How many rows to list as moved most up and most down.
    """
    n = len(layout)
    move = shift.after - shift.before
    by_move = np.argsort(move, kind="stable")
    subject_means = np.add.reduceat(move[layout.rows], layout.subject_starts[:-1]) / layout.subject_sizes
    paired = layout.draws > 0
    best = _best_elsewhere(shift.before[layout.rows], layout)
    single = layout.subject_clusters == 1
    return Diagnostics(
        n_samples=n,
        n_subjects=layout.n_subjects,
        n_singletons=int(np.sum(layout.subject_sizes == 1)),
        n_single_cluster=int(np.sum(single & (layout.subject_sizes > 1))),
        n_pairs=int(layout.draws.sum()),
        rounds=shift.rounds,
        share_never_worse=float(np.mean(shift.before[layout.rows][paired] > best[paired])),
        share_moved=float(np.mean(move != 0)),
        spearman=1.0 - 6.0 * float(np.sum(move.astype(np.float64) ** 2)) / (n * (n**2 - 1.0)),
        mean_shift=float(np.abs(move).mean() / n),
        max_shift=float(np.abs(move).max() / n),
        subject_shift=np.quantile(subject_means / n, QUANTILES),
        similarity=similarity,
        rank_resolution=rank_resolution,
        moved_up=by_move[::-1][:n_extremes][move[by_move[::-1][:n_extremes]] > 0],
        moved_down=by_move[:n_extremes][move[by_move[:n_extremes]] < 0],
    )


def _best_elsewhere(ranks: NDArray[np.int64], layout: Partition) -> NDArray[np.int64]:
    """(n,) by place: the best rank among the other clusters of the subject, -1 where there are none."""
    in_cluster = np.maximum.reduceat(ranks, layout.cluster_starts[:-1])
    firsts, counts = layout.first_clusters[:-1], layout.subject_clusters
    in_subject = np.repeat(np.maximum.reduceat(in_cluster, firsts), counts)
    runners = np.where(in_cluster == in_subject, -1, in_cluster)
    second = np.repeat(np.maximum.reduceat(runners, firsts), counts)
    elsewhere = np.where(in_cluster == in_subject, second, in_subject)
    return np.repeat(elsewhere, np.diff(layout.cluster_starts))
