"""Stage compare: similarities of the pairs of a benchmark."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..core.arrays import first_few
from ..core.protocols import Progress
from ..io.store import SAMPLES, read_embeddings, read_samples, write_comparisons
from .settings import Stage, setting

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Compare pairs of embedded faces: columns first, second, mated, similarity and, from a protocol, fold.

    Pairs are KIND:PATH such as lfw:PATH/pairs.txt, or all[:K] for all mated pairs among the first K samples
    of each subject and seeded random non-mated ones.
    """

    name: ClassVar[str] = "compare"
    writes_table: ClassVar[bool] = True
    embeddings: Path = setting(help="Folder written by `fiqa embed`.", argument=True)
    pairs: str = setting("all", help="KIND:PATH, or all[:K].")
    non_mated: int = setting(1_000_000, help="Non-mated pairs to draw for `all`.")
    seed: int = setting(0, help="Seed of the draw.")

    def run(self, progress: Progress) -> None:
        """Write `output` as Parquet, CSV or JSON by its suffix."""
        from ..comparisons.compare import compare
        from .benchmarks import open_benchmark

        samples = read_samples(self.embeddings / SAMPLES)
        benchmark = open_benchmark(self.pairs, samples, non_mated=self.non_mated, seed=self.seed)
        progress(0, len(benchmark.pairs))
        if benchmark.n_dropped:
            logger.warning(
                "left out %d pairs of %s: %d samples are not embedded, first %s",
                *(benchmark.n_dropped, self.pairs, len(benchmark.absent), first_few(benchmark.absent)),
            )
        comparisons = compare(read_embeddings(self.embeddings), benchmark.pairs)
        write_comparisons(self.output, comparisons, provenance=self.provenance("comparisons"))
        progress(len(comparisons), len(comparisons))
