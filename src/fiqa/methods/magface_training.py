"""MagFace: a loss under which the embedding of a good image grows long."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from ..core.errors import SettingsError
from ..models.objective import Facts
from .bounds import real
from .margin import Classifier, with_margin


class MagFaceObjective(Classifier):
    """CE of s cos(theta + m(a)) for the own class and s cos(theta) for the others, + lambda_g g(a).

    a is the length of the embedding, held within [l_a, u_a]. The margin m(a) = l_m + (u_m - l_m)
    (a - l_a) / (u_a - l_a) asks more of long embeddings, and the regulariser g(a) = a / u_a^2 + 1 / a rewards
    length: those grow long that can bear the margin. Own angles of 90 degrees and more get none ("easy
    margin"). No gradient of m and g passes outside the bounds.

    An optimal length lies within the bounds for every sample if lambda_g is at least
    s K u_a^2 l_a^2 / (u_a^2 - l_a^2), with K = (u_m - l_m) / (u_a - l_a): 22.6 with the published constants.

    The bounds belong to the recogniser: lengths of its embeddings should lie between them, or nothing is
    learnt from those outside (`fiqa embed` writes them).

    Source:
        Meng, Zhao, Huang, Zhou, "MagFace: A Universal Representation for Face Recognition and Quality
        Assessment", CVPR 2021, arXiv 2103.06627, and the constants of its released program.
    """

    heads = ("norm",)

    def __init__(
        self,
        facts: Facts,
        *,
        shortest: float = 10.0,
        longest: float = 110.0,
        least_margin: float = 0.45,
        greatest_margin: float = 0.8,
        weight: float = 35.0,
        scale: float = 64.0,
    ) -> None:
        """Set bounds and weights.

        Args:
            facts: Subjects and, to start directions from, embeddings.
            shortest: l_a.
            longest: u_a, above l_a.
            least_margin: l_m in radians.
            greatest_margin: u_m in radians, above l_m.
            weight: lambda_g, at least its lower bound.
            scale: Factor s of the cosines.

        Raises:
            SettingsError: If a value is out of range.
            DataError: If there are fewer than two subjects.
        """
        super().__init__(facts)
        self.shortest = real("shortest", shortest)
        self.longest = real("longest", longest, above=self.shortest)
        self.least_margin = real("least_margin", least_margin)
        self.greatest_margin = real(
            "greatest_margin", greatest_margin, above=self.least_margin, below=math.pi
        )
        self.scale, self.weight = real("scale", scale), real("weight", weight)
        if self.weight < (least := self.least_weight()):
            raise SettingsError(
                f"weight {weight:g} is below {least:.4g}, the least for which best lengths lie between "
                f"{shortest:g} and {longest:g}; raise it"
            )

    def least_weight(self) -> float:
        """The lower bound of lambda_g."""
        low, high = self.shortest**2, self.longest**2
        return self.scale * self._slope() * high * low / (high - low)

    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """Both parts together; scores are the lengths of the embeddings."""
        codes, lengths = self.codes[rows], scores.clamp(self.shortest, self.longest)
        logits = self.scale * with_margin(self.cosines(embeddings), codes, self.margin(lengths), easy=True)
        return F.cross_entropy(logits, codes) + self.weight * self.regulariser(lengths).mean()

    def margin(self, lengths: Tensor) -> Tensor:
        """m(a) in radians."""
        return self.least_margin + self._slope() * (lengths - self.shortest)

    def regulariser(self, lengths: Tensor) -> Tensor:
        """g(a): falls up to the upper bound, where its slope is 0."""
        return lengths / self.longest**2 + 1 / lengths

    def _slope(self) -> float:
        return (self.greatest_margin - self.least_margin) / (self.longest - self.shortest)
