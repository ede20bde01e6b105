"""The two sources of mated pairs, sampled and expected, behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..comparisons.execution import Execute
from ..comparisons.partition import Partition
from ..comparisons.vectors import UnitVectors
from ..core.errors import DataError
from .bins import BINS, coarse, count_similarities
from .credit import Credit, mean_ranks, strengths
from .expected import RankTable, credit_places, rank_table
from .sampled import DrawnPairs, draw_pairs
from .settings import OptimizeSettings
from .steps import Steps

_HELD_PAIRS = 1 << 27


@dataclass(eq=False)
class MatedPairs(ABC):
    """Mated pairs across clusters, and what they credit to each image.

    Attributes:
        vectors: Embeddings by each of m recognisers.
        layout: Samples by subject and cluster.
        settings: Repetitions, credit width, seed.
        execute: Where to run.
        steps: The bar that passes over the pairs fill.
    """

    vectors: list[UnitVectors]
    layout: Partition
    settings: OptimizeSettings
    execute: Execute
    steps: Steps

    @abstractmethod
    def credits(self, standing: NDArray[np.int64], turn: int) -> Iterator[Credit]:
        """One credit for each repetition of a round, given the ranks (n,) that decide who is worse."""

    @abstractmethod
    def similarity(self) -> NDArray[np.float64]:
        """(m, 256) mated pairs of one draw by similarity in equal bins on [-1, 1]."""

    @property
    def resolution(self) -> float:
        """Largest error of a pair rank, as a share of all pairs."""
        return 0.0


@dataclass(eq=False)
class ExpectedPairs(MatedPairs):
    """All pairs, each with the probability that it is drawn: one repetition without chance."""

    tables: list[RankTable] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = [
            rank_table(item, self.layout, execute=self.execute, progress=self.steps.take())
            for item in self.vectors
        ]
        for table in self.tables:
            _refuse_constant(table.counts)

    def credits(self, standing: NDArray[np.int64], turn: int) -> Iterator[Credit]:  # noqa: ARG002
        """The expected credit; it is the same in every turn with the same standing."""
        width = self.settings.credit_width
        strength = strengths(standing, width)[self.layout.rows]
        results = [
            credit_places(
                item,
                self.layout,
                table=table,
                strength=strength,
                soft=width > 0,
                execute=self.execute,
                progress=self.steps.take(),
            )
            for item, table in zip(self.vectors, self.tables, strict=True)
        ]
        sums, (weight, presence) = np.stack([item[0] for item in results]), results[0][1:]
        credit = Credit(mean_ranks(sums, weight), weight, presence, self.tables[0].n_pairs)
        yield credit.scattered(self.layout.rows)

    def similarity(self) -> NDArray[np.float64]:
        """Expected numbers of drawn pairs."""
        return coarse(np.stack([table.weights for table in self.tables]))

    @property
    def resolution(self) -> float:
        """Half of the fullest bin."""
        return max(table.resolution for table in self.tables)


@dataclass(eq=False)
class SampledPairs(MatedPairs):
    """Pairs as drawn, anew in each repetition of each round."""

    counts: NDArray[np.int64] = field(init=False)

    def credits(self, standing: NDArray[np.int64], turn: int) -> Iterator[Credit]:
        """One draw and its credit after the other."""
        width = self.settings.credit_width
        strength = strengths(standing, width)[self.layout.rows]
        count = self.settings.repetitions
        size = max(1, _HELD_PAIRS // int(self.layout.draws.sum()))
        for first in range(turn * count, (turn + 1) * count, size):
            repetitions = range(first, min(first + size, (turn + 1) * count))
            draws = draw_pairs(
                self.vectors,
                self.layout,
                seed=self.settings.seed,
                repetitions=repetitions,
                execute=self.execute,
                progress=self.steps.take(len(repetitions)),
            )
            if first == 0:
                self._count(draws[0].similarity)
            for credit in self.execute(partial(_credit_of, strength, width > 0), draws):
                yield credit.scattered(self.layout.rows)

    def similarity(self) -> NDArray[np.float64]:
        """Pairs of the first draw."""
        return coarse(self.counts)

    def _count(self, similarity: NDArray[np.float32]) -> None:
        self.counts = np.zeros((len(similarity), BINS), np.int64)
        for row, counts in zip(similarity, self.counts, strict=True):
            count_similarities(row, counts)
            _refuse_constant(counts)


def _credit_of(strength: NDArray[np.float64], soft: bool, drawn: DrawnPairs) -> Credit:
    return drawn.credit(strength, soft=soft)


def _refuse_constant(counts: NDArray[np.int64]) -> None:
    if np.count_nonzero(counts) == 1:
        similarity = (np.flatnonzero(counts)[0] + 0.5) / (BINS // 2) - 1
        raise DataError(
            f"all mated pairs have one similarity, {similarity:.4f}: their ranks say nothing; check that the "
            "embeddings are those of these images"
        )
