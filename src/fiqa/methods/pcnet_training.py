"""PCNet, trained: a network learns scores whose minimum over a mated pair is the similarity of the pair."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from ..models.objective import Facts
from .bounds import one_of
from .pair_minimum import PairMinimum


class PcNetObjective(PairMinimum):
    """Mean over mated pairs of (s_ij - min(q_i, q_j))^2, with s_ij the rescaled cosine similarity.

    A score in (0, 1) cannot meet a negative similarity, so cosines are rescaled by (1 + cos) / 2, which keeps
    all their differences; ``raw`` leaves them as they are, as the only public re-implementation does, and
    pulls both images of a negative pair to 0.

    Source:
        Xie, Byrne, Zisserman, "Inducing Predictive Uncertainty Estimation for Face Recognition", BMVC 2020,
        arXiv 2009.00603. No code of the authors is public; the group size is that of LightQNet.
    """

    def __init__(
        self, facts: Facts, *, scaling: Literal["unit", "raw"] = "unit", samples_per_subject: int = 16
    ) -> None:
        """Choose the scale of similarities and how batches are drawn.

        Args:
            facts: Subjects and reference embeddings.
            scaling: ``unit`` is (1 + cos) / 2, ``raw`` is cos.
            samples_per_subject: Samples of a subject that a batch draws together, 2 or more.

        Raises:
            SettingsError: If a value is none of these.
            DataError: If no subject has two samples.
        """
        super().__init__(facts, samples_per_subject=samples_per_subject)
        self.scaling = one_of("scaling", scaling, ("unit", "raw"))

    def misfit(self, cosines: Tensor, lower: Tensor) -> Tensor:
        """Squared differences."""
        similarity = (1 + cosines) / 2 if self.scaling == "unit" else cosines
        return (similarity - lower).square()
