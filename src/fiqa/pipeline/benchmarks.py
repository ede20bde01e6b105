"""Which comparisons a benchmark makes: a protocol's list, or all there are among the samples at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..comparisons.pairing import all_mated_pairs, draw_non_mated_pairs
from ..core.errors import DataError, SettingsError
from ..core.types import PairSet, SampleSet
from ..io.pairlists import read_pairlist


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Comparisons to make.

    Attributes:
        name: Kind of the list, such as ``lfw`` or ``all``.
        pairs: The comparisons whose samples are at hand.
        absent: Samples that the list names and that are not at hand (no face was found, say).
        n_dropped: Pairs left out because of them.
    """

    name: str
    pairs: PairSet
    absent: tuple[str, ...] = ()
    n_dropped: int = 0


def open_benchmark(spec: str, samples: SampleSet, *, non_mated: int, seed: int) -> Benchmark:
    """Read a pair list, or draw one.

    Args:
        spec: ``KIND:PATH`` of a pair list (see `io.pairlists`), or ``all``: every mated pair, and seeded
            random non-mated ones; ``all:K`` takes the mated pairs among the first K samples of each subject,
            so that a few large subjects do not outweigh the others.
        samples: The samples at hand.
        non_mated: Non-mated pairs to draw for ``all``; all of them where there are fewer.
        seed: Seed of the draw.

    Raises:
        SettingsError: If K is no number of 2 or more.
        DataError: If the list is malformed or none of its pairs is at hand.
    """
    kind, _, tail = spec.partition(":")
    if kind != "all":
        return _at_hand(kind, read_pairlist(spec), samples)
    if tail and not (tail.isdecimal() and int(tail) >= 2):
        raise SettingsError(f"pairs {spec!r}: expected all or all:K with K of 2 or more")
    chosen = samples if not tail else _first_of_each(samples, int(tail))
    mated = all_mated_pairs(chosen)
    sizes = np.bincount(samples.subject_codes())
    available = (len(samples) ** 2 - int((sizes**2).sum())) // 2
    other = draw_non_mated_pairs(samples, count=min(non_mated, available), rng=np.random.default_rng(seed))
    rows = np.flatnonzero(np.isin(samples.sample_ids, chosen.sample_ids))
    return Benchmark(
        "all",
        PairSet(
            samples.sample_ids,
            np.concatenate([rows[mated.first], other.first]),
            np.concatenate([rows[mated.second], other.second]),
            np.concatenate([mated.mated, other.mated]),
        ),
    )


def _at_hand(name: str, pairs: PairSet, samples: SampleSet) -> Benchmark:
    present = np.isin(pairs.sample_ids, samples.sample_ids)
    kept = present[pairs.first] & present[pairs.second]
    if not kept.any():
        raise DataError(
            f"none of the {len(pairs)} {name} pairs is among the {len(samples)} samples at hand, whose ids "
            f"look like {samples.sample_ids[0]!r}; the list names {pairs.sample_ids[0]!r}"
        )
    absent = tuple(pairs.sample_ids[~present].tolist())
    return Benchmark(name, pairs.rows(kept), absent, int((~kept).sum()))


def _first_of_each(samples: SampleSet, count: int) -> SampleSet:
    """The first `count` samples of each subject, in order."""
    codes = samples.subject_codes()
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes))[:-1]])
    place = np.empty(len(codes), np.int64)
    place[order] = np.arange(len(codes)) - starts[codes[order]]
    kept: NDArray[np.bool_] = place < count
    return SampleSet(samples.sample_ids[kept], samples.subject_ids[kept])
