"""Whether an exported file says what the regressor says: the gate that every export passes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import finite, rank_correlation, same_length
from ..core.errors import ExportError


@dataclass(frozen=True)
class Parity:
    """Scores of the exported file against those of the regressor, on the same crops.

    Attributes:
        n_crops: Crops compared.
        score_range: Largest minus smallest score of the regressor.
        max_difference: Largest absolute difference, as a share of `score_range`.
        spearman: Rank correlation in [-1, 1], mean ranks for ties.
    """

    n_crops: int
    score_range: float
    max_difference: float
    spearman: float

    @classmethod
    def of(cls, scores: NDArray[np.floating], *, reference: NDArray[np.floating]) -> Parity:
        """Compare scores (n,) of the file with those of the regressor (n,).

        Raises:
            ExportError: If there are fewer than two crops, the file gives no finite scores, or either side
                gives all crops one score, so that nothing can be compared.
        """
        if same_length(scores=scores, reference=reference) < 2 or not np.isfinite(scores).all():
            raise ExportError(f"parity needs two crops or more and finite scores, got {scores.tolist()[:3]}")
        spread = float(np.ptp(finite("scores of the regressor", reference)))
        if not spread or not np.ptp(scores):
            raise ExportError(
                f"all {len(scores)} crops get one score, so nothing tells the file from the regressor; "
                f"give other crops, or train longer"
            )
        difference = float(np.abs(scores - reference).max()) / spread
        correlation = rank_correlation(scores, reference)
        assert correlation is not None  # neither side is constant
        return cls(len(scores), spread, difference, correlation)

    def check(self, *, max_difference: float | None, min_spearman: float) -> None:
        """Refuse a file that strays too far.

        Args:
            max_difference: Largest `max_difference` that passes; None asks for none.
            min_spearman: Smallest rank correlation that passes.

        Raises:
            ExportError: With the numbers.
        """
        far = max_difference is not None and self.max_difference > max_difference
        if far or self.spearman < min_spearman:
            allowed = "any" if max_difference is None else f"{max_difference:g}"
            raise ExportError(
                f"the exported model does not reproduce the regressor on {self.n_crops} crops: largest "
                f"difference {self.max_difference:.2g} of the score range (allowed {allowed}), rank "
                f"correlation {self.spearman:.4f} (needed {min_spearman:g}); nothing was written. Export "
                f"float, or calibrate int8 on more and more varied crops"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)
