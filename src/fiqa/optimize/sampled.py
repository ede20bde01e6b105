"""Mated pairs as drawn: ranked by similarity, each credited to its worse image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..comparisons.compiled import compiled, compiled_sums
from ..comparisons.execution import Execute
from ..comparisons.pairing import draw_partners
from ..comparisons.partition import Partition
from ..comparisons.vectors import UnitVectors
from ..core.arrays import same_length
from ..core.errors import DataError
from ..core.protocols import Progress, silent
from .credit import Credit, credit_share, mean_ranks

_DIGIT = 11


@dataclass(frozen=True, eq=False)
class DrawnPairs:
    """Mated pairs of one draw.

    Attributes:
        first: (p,) index of the image that drew.
        second: (p,) index of the image it drew.
        similarity: (m, p) or (p,) similarity by each of m recognisers, float32 or float64.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    similarity: NDArray[np.floating]

    def __post_init__(self) -> None:
        similarity = np.atleast_2d(self.similarity)
        object.__setattr__(self, "similarity", similarity)
        same_length(first=self.first, second=self.second, similarity=similarity[0])

    def without_repeats(self) -> DrawnPairs:
        """The same pairs without exact repeats, the first of each kept in its place."""
        keys = self.first.astype(np.int64) << 32 | self.second
        kept = np.sort(np.unique(keys, return_index=True)[1])
        return DrawnPairs(self.first[kept], self.second[kept], self.similarity[:, kept])

    def credit(self, strength: NDArray[np.float64], *, soft: bool = False) -> Credit:
        """Mean rank of the pairs credited to each image.

        Args:
            strength: (n,) from `credit.strengths`, by the index that the pairs use.
            soft: Whether both images of a pair share its credit.

        Raises:
            DataError: If there are no pairs, or 2**32 and more.
        """
        if not 0 < len(self.first) < 2**32:
            raise DataError(f"a draw ranks 1 to 2**32-1 pairs, got {len(self.first)}")
        sums = np.zeros((len(self.similarity), len(strength)))
        weight = np.zeros(len(strength))
        for total, similarity in zip(sums, self.similarity, strict=True):
            weight[:] = 0.0
            _add_credit(self.first, self.second, pair_ranks(similarity), strength, soft, total, weight)
        return Credit(mean_ranks(sums, weight), weight, (weight > 0).astype(np.float64), len(self.first))


def pair_ranks(similarity: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Position of each pair in ascending order of similarity, 0..p-1; equal ones keep their order."""
    ranks = np.empty(len(similarity), np.uint32)
    if similarity.dtype == np.float32:
        _rank_bits(similarity.view(np.uint32), ranks)
    else:
        ranks[np.argsort(similarity, kind="stable")] = np.arange(len(similarity), dtype=np.uint32)
    return ranks


def draw_pairs(
    vectors: Sequence[UnitVectors],
    layout: Partition,
    *,
    seed: int,
    repetitions: Sequence[int],
    execute: Execute,
    progress: Progress = silent,
) -> list[DrawnPairs]:
    """Draws of mated pairs across clusters, compared by each recogniser; indices are places.

    See `comparisons.pairing.draw_mated_pairs`. A pair (a, b) is never drawn twice in one repetition.
    """
    task = partial(_draw_part, tuple(vectors), layout, seed, tuple(repetitions))
    parts = execute(task, layout.parts(), progress)
    first = np.repeat(np.arange(len(layout), dtype=np.int32), layout.draws)
    return [
        DrawnPairs(
            first,
            np.concatenate([partners[k] for partners, _ in parts]),
            np.concatenate([similarity[k] for _, similarity in parts], axis=1),
        )
        for k in range(len(repetitions))
    ]


def _draw_part(
    vectors: tuple[UnitVectors, ...],
    layout: Partition,
    seed: int,
    repetitions: tuple[int, ...],
    part: tuple[int, int],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Partners by place (r, p) and their similarity (r, m, p) for a range of subjects."""
    second, similarity = [], []
    for start, batch in layout.batches(part):
        own = np.repeat(np.arange(len(batch), dtype=np.int32), batch.draws)
        partners = np.stack(
            [draw_partners(batch, seed=seed, repetition=k, offset=start) for k in repetitions]
        )
        compared = np.empty((len(repetitions), len(vectors), len(own)), np.float32)
        for m, source in enumerate(vectors):
            block = source.borrow(batch.rows)
            for k in range(len(repetitions)):
                _compare_pairs(block, own, partners[k], compared[k, m])
        second.append(partners + np.int32(start))
        similarity.append(compared)
    return np.concatenate(second, axis=-1), np.concatenate(similarity, axis=-1)


@compiled_sums
def _compare_pairs(
    block: NDArray[np.float32],
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    similarity: NDArray[np.float32],
) -> None:
    for p in range(len(first)):
        a, b = block[first[p]], block[second[p]]
        product = np.float32(0.0)
        for k in range(block.shape[1]):
            product += a[k] * b[k]
        similarity[p] = product


@compiled
def _rank_bits(bits: NDArray[np.uint32], ranks: NDArray[np.uint32]) -> None:
    """Radix sort of float bits, flipped so that integers sort as the floats do, in three stable passes.

    A key holds the flipped bits above the position of the pair; the last pass writes ranks, not keys.
    """
    keys, moved = np.empty(len(bits), np.uint64), np.empty(len(bits), np.uint64)
    slots = np.zeros((3, 1 << _DIGIT), np.int64)
    sign, low = np.uint32(0x80000000), np.uint32((1 << _DIGIT) - 1)
    for p in range(len(bits)):
        value = np.uint32(0) if bits[p] == sign else bits[p]
        value = ~value if value & sign else value | sign
        keys[p] = (np.uint64(value) << np.uint64(32)) | np.uint64(p)
        for digit in range(3):
            slots[digit, (value >> np.uint32(_DIGIT * digit)) & low] += 1
    for digit in range(3):
        slots[digit] = np.cumsum(slots[digit]) - slots[digit]
        shift, slot = np.uint64(32 + _DIGIT * digit), slots[digit]
        for p in range(len(keys)):
            d = (keys[p] >> shift) & np.uint64(low)
            if digit < 2:
                moved[slot[d]] = keys[p]
            else:
                ranks[np.uint32(keys[p])] = slot[d]
            slot[d] += 1
        keys, moved = moved, keys


@compiled
def _add_credit(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    ranks: NDArray[np.uint32],
    strength: NDArray[np.float64],
    soft: bool,
    sums: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> None:
    for p in range(len(ranks)):
        a, b = first[p], second[p]
        share = credit_share(strength[a], strength[b], soft)
        sums[a] += share * ranks[p]
        weight[a] += share
        sums[b] += (1.0 - share) * ranks[p]
        weight[b] += 1.0 - share
