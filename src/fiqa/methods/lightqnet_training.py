"""LightQNet: a network learns whether a mated pair will match, as the worse image of the pair decides."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.objective import Facts
from .bounds import real
from .pair_minimum import PairMinimum


class LightQNetObjective(PairMinimum):
    """Mean over mated pairs of BCE(t_ij, min(q_i, q_j)), t_ij = sigmoid(s (cos_ij - m)).

    Whether a pair matches at the threshold m is a soft decision t of slope s, so that scores learn most about
    pairs near the threshold. BCE(t, q) = -t log q - (1 - t) log(1 - q).

    The published training adds a branch on the recogniser, trained by the same loss, and lambda = 10 times
    the divergence of a small student from it; here the branch alone, which gives the scores, is trained.

    Source:
        Chen, Yi, Lv, "LightQNet: Lightweight Deep Face Quality Assessment for Risk-Controlled Face
        Recognition", IEEE Signal Processing Letters 2021.
    """

    def __init__(
        self, facts: Facts, *, slope: float = 16.0, threshold: float = 0.4, samples_per_subject: int = 16
    ) -> None:
        """Say what a match is.

        Args:
            facts: Subjects and reference embeddings.
            slope: s, above 0.
            threshold: m, the cosine similarity in (-1, 1) from which a pair is more likely to match than not.
            samples_per_subject: Samples of a subject that a batch draws together, 2 or more.

        Raises:
            SettingsError: If a value is out of range.
            DataError: If no subject has two samples.
        """
        super().__init__(facts, samples_per_subject=samples_per_subject)
        self.slope = real("slope", slope)
        self.threshold = real("threshold", threshold, above=-1.0, below=1.0)

    def misfit(self, cosines: Tensor, lower: Tensor) -> Tensor:
        """Binary cross entropies with the soft decisions."""
        matches = torch.sigmoid(self.slope * (cosines - self.threshold))
        return F.binary_cross_entropy(lower, matches, reduction="none")
