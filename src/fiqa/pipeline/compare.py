"""Stage compare: similarities of the pairs of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ..core.protocols import Progress
from ..io.store import FAILURES, SAMPLES, read_embeddings, read_failures, read_samples, write_comparisons
from .settings import Stage, setting


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
    absent: Literal["refuse", "skip"] = setting(
        "refuse", help="Pairs of samples without embedding or failure: refuse or skip."
    )

    def run(self, progress: Progress) -> None:
        """Write `output` as Parquet, CSV or JSON by its suffix."""
        from ..comparisons.compare import compare
        from .benchmarks import open_benchmark

        benchmark = open_benchmark(
            self.pairs,
            read_samples(self.embeddings / SAMPLES),
            non_mated=self.non_mated,
            seed=self.seed,
            failed=read_failures(self.embeddings / FAILURES),
            absent=self.absent,
        )
        progress(0, len(benchmark.pairs))
        embeddings = benchmark.embeddings(read_embeddings(self.embeddings))
        comparisons = compare(embeddings, benchmark.pairs)
        write_comparisons(self.output, comparisons, provenance=self.provenance("comparisons"))
        progress(len(comparisons), len(comparisons))
