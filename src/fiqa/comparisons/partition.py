"""Samples laid out subject by subject and, within a subject, cluster by cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few, same_length
from ..core.errors import DataError

_BATCH_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Partition:
    """Where each subject and each cluster lies once the samples are sorted by both.

    A *place* is a position in that order. Subjects and clusters keep the order of their codes, samples
    of one cluster the order in which they were given.

    Attributes:
        rows: (n,) sample at each place.
        subject_starts: (s + 1,) first place of each subject; the last entry is n.
        cluster_starts: (c + 1,) first place of each cluster; the last entry is n.
        first_clusters: (s + 1,) first cluster of each subject; the last entry is c.
    """

    rows: NDArray[np.int64]
    subject_starts: NDArray[np.int64]
    cluster_starts: NDArray[np.int64]
    first_clusters: NDArray[np.int64]

    @classmethod
    def of(cls, subjects: NDArray[np.integer], clusters: NDArray[np.integer]) -> Partition:
        """Lay out samples by subject and cluster.

        Args:
            subjects: (n,) subject code of each sample.
            clusters: (n,) cluster code of each sample, 0 or above; one code in two subjects means two
                clusters.

        Raises:
            DataError: If there are no samples, the columns differ in length, or a sample has no cluster
                (code below 0).
        """
        if not same_length(subjects=subjects, clusters=clusters):
            raise DataError("there are no samples to lay out")
        missing = np.flatnonzero(clusters < 0)
        if missing.size:
            raise DataError(f"{missing.size} samples have no cluster, first at rows {first_few(missing)}")
        rows = np.lexsort((clusters, subjects))
        subject, cluster = subjects[rows], clusters[rows]
        new_subject = np.concatenate(([True], subject[1:] != subject[:-1]))
        new_cluster = new_subject | np.concatenate(([True], cluster[1:] != cluster[:-1]))
        subject_starts = np.append(np.flatnonzero(new_subject), len(rows))
        cluster_starts = np.append(np.flatnonzero(new_cluster), len(rows))
        return cls(rows, subject_starts, cluster_starts, np.searchsorted(cluster_starts, subject_starts))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_subjects(self) -> int:
        """Number of subjects."""
        return len(self.subject_starts) - 1

    @property
    def subject_sizes(self) -> NDArray[np.int64]:
        """(s,) samples of each subject."""
        return np.diff(self.subject_starts)

    @property
    def subject_clusters(self) -> NDArray[np.int64]:
        """(s,) clusters of each subject."""
        return np.diff(self.first_clusters)

    @property
    def cluster_sizes(self) -> NDArray[np.int64]:
        """(n,) samples in the cluster of each place."""
        sizes = np.diff(self.cluster_starts)
        return np.repeat(sizes, sizes)

    @property
    def cluster_ends(self) -> NDArray[np.int64]:
        """(n,) place after the last one of the cluster of each place."""
        return np.repeat(self.cluster_starts[1:], np.diff(self.cluster_starts))

    @property
    def draws(self) -> NDArray[np.int64]:
        """(n,) other clusters of the subject at each place: how many partners one draw gives it."""
        return np.repeat(self.subject_clusters - 1, self.subject_sizes)

    def parts(self, count: int = 64) -> list[tuple[int, int]]:
        """Split the subjects into at most `count` ranges of about equal numbers of comparisons."""
        cost = np.cumsum(self.subject_sizes.astype(np.float64) ** 2)
        edges = np.searchsorted(cost, cost[-1] * np.arange(1, count) / count)
        bounds = np.unique(np.concatenate(([0], edges, [self.n_subjects]))).tolist()
        return list(pairwise(bounds))

    def batches(self, part: tuple[int, int]) -> Iterator[tuple[int, Partition]]:
        """Cut a range of subjects into small layouts of their own, each with its first place in this one.

        A batch holds at most 4,096 samples, or one larger subject.
        """
        first, last = part
        while first < last:
            limit = self.subject_starts[first] + _BATCH_ROWS
            stop = int(np.searchsorted(self.subject_starts, limit, side="right")) - 1
            stop = min(max(stop, first + 1), last)
            start, end = self.subject_starts[first], self.subject_starts[stop]
            clusters = slice(self.first_clusters[first], self.first_clusters[stop] + 1)
            yield (
                int(start),
                Partition(
                    self.rows[start:end],
                    self.subject_starts[first : stop + 1] - start,
                    self.cluster_starts[clusters] - start,
                    self.first_clusters[first : stop + 1] - clusters.start,
                ),
            )
            first = stop
