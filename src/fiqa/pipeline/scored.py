"""What stages share that read comparisons and the quality scores of their samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import positions
from ..core.types import ComparisonScores, QualityScores
from ..io.store import read_samples
from ..io.tables import naming, read_table
from .settings import Stage, setting

if TYPE_CHECKING:
    from ..evaluate.subjects import KnownSubjects


@dataclass(frozen=True, kw_only=True)
class ScoredComparisons(Stage):
    """Base of the stages on comparisons and quality scores."""

    comparisons: Path = setting(help="Table of first, second, mated (0 or 1), similarity.")
    quality: Path = setting(help="Table of sample_id, score; higher = better.")
    fmr: float = setting(1e-3, help="False match rate of the similarity threshold.")
    threshold: float | None = setting(None, help="Similarity threshold to use instead of --fmr.")
    samples: Path | None = setting(
        None, help="Table of sample_id, subject_id; else folders in the ids or mated pairs tell the subjects."
    )
    groups: Path | None = setting(None, help="Table of sample_id and a column of groups.")
    group_column: str = setting("group", help="Name of that column.")
    seed: int = setting(0, help="Seed of the draws of subjects.")

    def subjects(self, comparisons: ComparisonScores, quality: QualityScores) -> KnownSubjects:
        """Subject of every scored sample, and how it is known."""
        from ..evaluate.subjects import KnownSubjects, infer_subjects

        if self.samples is None:
            return infer_subjects(comparisons.pairs, quality.sample_ids)
        return KnownSubjects(read_samples(self.samples), "samples file")

    def group_names(self, quality: QualityScores) -> NDArray[Any] | None:
        """Group of every scored sample, None without a table of groups."""
        if self.groups is None:
            return None
        return group_column(self.groups, self.group_column, quality.sample_ids)


def group_column(path: Path, column: str, sample_ids: NDArray[np.str_]) -> NDArray[np.str_]:
    """Group (n,) of each sample, from a table of sample_id and that column; a missing one is a DataError."""
    table = read_table(path)
    with naming(path):
        rows = positions(sample_ids, table.texts("sample_id"), what="samples")
    return table.texts(column)[rows]
