"""CR-FIQA, trained: a network learns how well its own samples are classified while it learns to classify."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..models.objective import Facts
from .bounds import one_of, real
from .margin import Classifier, with_margin


class CrFiqaObjective(Classifier):
    """CE(ArcFace(s = 64, m = 0.5)) + 10 SmoothL1(beta = 0.5)(certainty ratio, q).

    With CCS the cosine similarity of a sample to the direction of its own class and NNCCS the highest one to
    any other, the certainty ratio is CCS / (NNCCS + 1 + 1e-9), the formula of the paper, or CCS / NNCCS,
    that of the first released program. The ratio is a target: no gradient passes through it, and the
    regression reaches embeddings through the score alone. The released program masks the own class with
    -1e-12, so that its NNCCS never falls below that; here the own class is left out.

    `fiqa label --method cr_fiqa` and training layers ``head`` with loss ``smooth_l1`` on ``native`` targets
    is the variant that leaves the recogniser as it is.

    Source:
        Boutros, Fang, Klemt, Fu, Damer, "CR-FIQA: Face Image Quality Assessment by Learning Sample Relative
        Classifiability", CVPR 2023, arXiv 2112.06592.
    """

    def __init__(
        self,
        facts: Facts,
        *,
        scale: float = 64.0,
        margin: float = 0.5,
        weight: float = 10.0,
        denominator: Literal["shifted", "plain"] = "shifted",
    ) -> None:
        """Set the two losses.

        Args:
            facts: Subjects and, to start directions from, embeddings.
            scale: Factor s of the cosines.
            margin: Angle m in radians, in (0, pi).
            weight: Factor of the regression.
            denominator: ``shifted`` is NNCCS + 1, ``plain`` is NNCCS.

        Raises:
            SettingsError: If a value is out of range.
            DataError: If there are fewer than two subjects.
        """
        super().__init__(facts)
        self.scale, self.weight = real("scale", scale), real("weight", weight)
        self.margin = torch.tensor(real("margin", margin, below=torch.pi))
        self.denominator = one_of("denominator", denominator, ("shifted", "plain"))

    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """Both losses together."""
        codes, cosines = self.codes[rows], self.cosines(embeddings)
        logits = self.scale * with_margin(cosines, codes, self.margin)
        regression = F.smooth_l1_loss(scores, self.certainty(cosines.detach(), codes), beta=0.5)
        return F.cross_entropy(logits, codes) + self.weight * regression

    def certainty(self, cosines: Tensor, codes: Tensor) -> Tensor:
        """Certainty ratios (k,) of samples with these cosines (k, n_subjects) and classes (k,)."""
        own = cosines.gather(1, codes[:, None]).squeeze(1)
        nearest = cosines.scatter(1, codes[:, None], -torch.inf).amax(dim=1)
        return own / (nearest + 1 + 1e-9 if self.denominator == "shifted" else nearest)
