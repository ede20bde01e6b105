"""Which samples to compare: mated pairs across clusters, all mated pairs, random non-mated pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..core.types import PairSet, SampleSet
from .compiled import compiled
from .partition import Partition
from .splitmix import GOLDEN, below, mix


def draw_mated_pairs(
    samples: SampleSet, clusters: NDArray[np.integer], *, seed: int = 0, repetition: int = 0
) -> PairSet:
    """For each sample, one uniformly drawn partner from each other cluster of its subject.

    A subject of k clusters gives each of its samples k - 1 pairs, with the sample as `first`. (a, b) and
    (b, a) are two pairs and may both occur. Each draw is a pure function of seed, repetition and the
    place of the sample, so it does not depend on how the work is split.

    Args:
        samples: The samples and their subjects.
        clusters: (n,) cluster code of each sample, 0 or above.
        seed: Seed of all repetitions.
        repetition: Which of the independent draws.

    Source: Ž. Babnik, N. Damer, V. Štruc, Optimization-based improvement of face image quality assessment
    techniques, IWBF 2023, arXiv 2305.14856.
    """
    layout = Partition.of(samples.subject_codes(), clusters)
    partners = draw_partners(layout, seed=seed, repetition=repetition)
    first, second = np.repeat(layout.rows, layout.draws), layout.rows[partners]
    return _pairs(samples, first, second, mated=True)


def draw_partners(layout: Partition, *, seed: int, repetition: int, offset: int = 0) -> NDArray[np.int32]:
    """Places of the drawn partners, place by place and cluster by cluster.

    The first place of pair p is entry p of ``np.repeat(np.arange(n), layout.draws)``.

    Args:
        layout: Samples by subject and cluster.
        seed: Seed of all repetitions.
        repetition: Which of the independent draws.
        offset: Place of the first sample in the layout that this one was cut from.
    """
    partners = np.empty(layout.draws.sum(), np.int32)
    starts = layout.subject_starts, layout.first_clusters, layout.cluster_starts
    _draw(*starts, np.uint64(seed), np.uint64(repetition), np.uint64(offset), partners)
    return partners


def all_mated_pairs(samples: SampleSet) -> PairSet:
    """Every unordered pair of samples that show the same subject, subject by subject."""
    layout = Partition.of(samples.subject_codes(), np.zeros(len(samples), np.int64))
    ends = np.repeat(layout.subject_starts[1:], layout.subject_sizes)
    places = np.arange(len(layout))
    later = ends - places - 1
    first = np.repeat(places, later)
    second = np.arange(len(first)) - np.repeat(np.cumsum(later) - later, later) + first + 1
    return _pairs(samples, layout.rows[first], layout.rows[second], mated=True)


def draw_non_mated_pairs(samples: SampleSet, *, count: int, rng: np.random.Generator) -> PairSet:
    """Distinct unordered pairs of samples of different subjects, each equally likely.

    Raises:
        SettingsError: If `count` is below 1.
        DataError: If there are fewer than `count` non-mated pairs.
    """
    layout = Partition.of(samples.subject_codes(), np.zeros(len(samples), np.int64))
    ends = np.repeat(layout.subject_starts[1:], layout.subject_sizes)
    pairs_before = np.concatenate(([0], np.cumsum(len(layout) - ends)))
    total = int(pairs_before[-1])
    if count < 1:
        raise SettingsError(f"count must be at least 1, got {count}")
    if count > total:
        raise DataError(f"{count} non-mated pairs wanted, but the samples form only {total}")
    numbers = _distinct(total, count, rng)
    first = np.searchsorted(pairs_before, numbers, side="right") - 1
    second = ends[first] + numbers - pairs_before[first]
    return _pairs(samples, layout.rows[first], layout.rows[second], mated=False)


def _pairs(
    samples: SampleSet, first: NDArray[np.int64], second: NDArray[np.int64], *, mated: bool
) -> PairSet:
    return PairSet(
        samples.sample_ids, first.astype(np.int32), second.astype(np.int32), np.full(len(first), mated)
    )


def _distinct(total: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` distinct numbers below `total`, ascending; the rarer side of the choice is drawn."""
    wanted = min(count, total - count)
    drawn = np.zeros(0, np.int64)
    while len(drawn) < wanted:
        drawn = np.sort(np.append(drawn, rng.integers(total, size=wanted - len(drawn))))
        drawn = drawn[np.diff(drawn, prepend=-1) > 0]
    return drawn if wanted == count else np.delete(np.arange(total), drawn)


@compiled
def _draw(
    subject_starts: NDArray[np.int64],
    first_clusters: NDArray[np.int64],
    cluster_starts: NDArray[np.int64],
    seed: np.uint64,
    repetition: np.uint64,
    offset: np.uint64,
    partners: NDArray[np.int32],
) -> None:
    pair, key = 0, mix(mix(seed) + repetition)
    for s in range(len(subject_starts) - 1):
        for place in range(subject_starts[s], subject_starts[s + 1]):
            state = mix(key + (offset + np.uint64(place)) * GOLDEN)
            for c in range(first_clusters[s], first_clusters[s + 1]):
                start, end = cluster_starts[c], cluster_starts[c + 1]
                if start <= place < end:
                    continue
                state += GOLDEN
                partners[pair] = start + below(mix(state), end - start)
                pair += 1
