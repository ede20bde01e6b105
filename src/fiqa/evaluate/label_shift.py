"""What a label optimiser did to the order of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..core.arrays import first_few, text_ids
from ..core.errors import DataError
from ..core.types import QualityScores
from .agreement import spearman
from .contact_sheet import ContactSheet


@dataclass(frozen=True, eq=False)
class LabelShift:
    """Labels before and after an optimisation. Ranks run from 0 (worst) to 1 (best), mid-ranks for ties.

    Attributes:
        method: Quality method whose labels were optimised.
        base: Labels before.
        optimised: Labels after, of the same samples.
        subject_ids: (n,) subject of each sample of `base`.
        diagnostics: What the optimiser reports about itself, as name and value.
        mated_similarity: (counts, edges) histogram of the mated similarities it used, or None.
        raised: Images that moved up most.
        lowered: Images that moved down most.
    """

    method: str
    base: QualityScores
    optimised: QualityScores
    subject_ids: NDArray[np.str_]
    diagnostics: Mapping[str, object] = field(default_factory=dict)
    mated_similarity: tuple[NDArray[np.integer], NDArray[np.floating]] | None = None
    raised: ContactSheet | None = None
    lowered: ContactSheet | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject_ids", text_ids("subject_ids", self.subject_ids))
        counts = [len(self.base), len(self.optimised), len(self.subject_ids)]
        if len(set(counts)) > 1 or counts[0] < 2:
            raise DataError(
                f"labels of {self.method} before and after, and their subjects, must be of the same samples, "
                f"two at least, got {first_few(counts)}"
            )

    @cached_property
    def base_rank(self) -> NDArray[np.float64]:
        """(n,) rank in [0, 1] before."""
        return _unit_ranks(self.base.values)

    @cached_property
    def optimised_rank(self) -> NDArray[np.float64]:
        """(n,) rank in [0, 1] after, in the order of `base`."""
        return _unit_ranks(self.optimised.at(self.base.sample_ids))

    @cached_property
    def shift(self) -> NDArray[np.float64]:
        """(n,) optimised rank minus base rank, in [-1, 1]; positive = found more useful than before."""
        return self.optimised_rank - self.base_rank

    @cached_property
    def subject_shift(self) -> NDArray[np.float64]:
        """(s,) mean shift of each subject's samples."""
        codes = np.unique(self.subject_ids, return_inverse=True)[1]
        return np.bincount(codes, weights=self.shift) / np.bincount(codes)

    def moved(self, count: int, *, up: bool) -> NDArray[np.intp]:
        """Rows of the samples that moved most in one direction, farthest first; none that did not move."""
        gain = self.shift if up else -self.shift
        rows = np.argsort(-gain, kind="stable")[:count]
        return rows[gain[rows] > 0]

    @cached_property
    def spearman(self) -> float:
        """Rank correlation of the labels before and after."""
        return spearman(self.base_rank, self.optimised_rank)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: everything but the pictures."""
        size = np.abs(self.shift)
        return {
            "method": self.method,
            "n_samples": len(self.base),
            "spearman": self.spearman,
            "mean_shift": float(size.mean()),
            "largest_shift": float(size.max()),
            "largest_subject_shift": float(np.abs(self.subject_shift).max()),
            "diagnostics": dict(self.diagnostics),
        }


def _unit_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    ranks: NDArray[np.float64] = stats.rankdata(values) - 1
    return ranks / (len(values) - 1)
