"""Classification of known subjects with an angular margin, as recognisers are trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..comparisons.subjects import subject_sums
from ..core.errors import DataError
from ..models.objective import Facts, Objective

_NEARLY_ONE = 1 - 1e-6


class Classifier(Objective):
    """Base of objectives that learn a direction for each subject beside the regressor.

    Published trainings start with random directions and an untrained network. A trained recogniser is better
    met by the mean embeddings of its subjects: with embeddings given, directions start there.

    Attributes:
        directions: (n_subjects, d) class weights of any length.
    """

    takes = ("embeddings",)
    own_embeddings = True
    apart = "samples"
    codes: Tensor

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        n_subjects = int(facts.codes.max(initial=-1)) + 1
        if n_subjects < 2:
            raise DataError(f"training on classes needs 2 subjects or more, got {n_subjects}")
        if facts.references is None:
            directions = torch.randn(n_subjects, facts.dimension)
        else:
            sums = subject_sums(facts.references, facts.codes)
            directions = torch.from_numpy(sums.astype(np.float32))
        self.directions = nn.Parameter(F.normalize(directions))
        self.keep("codes", facts.codes)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosine similarities (k, n_subjects) of embeddings (k, d) to the directions."""
        return F.normalize(embeddings) @ F.normalize(self.directions).T


def with_margin(cosines: Tensor, codes: Tensor, margin: Tensor, *, easy: bool = False) -> Tensor:
    """The cosines with the angle to the own class, theta, widened to theta + margin.

    Args:
        cosines: (k, n_subjects).
        codes: (k,) own class of each row.
        margin: Radians, a scalar or (k,).
        easy: Leave the angle as it is where it is 90 degrees or more.
    """
    own = cosines.gather(1, codes[:, None]).squeeze(1)
    bounded = own.clamp(-_NEARLY_ONE, _NEARLY_ONE)  # the slope of the sine has no bound at 0
    widened = bounded * margin.cos() - (1 - bounded.square()).sqrt() * margin.sin()
    if easy:
        widened = torch.where(own > 0, widened, own)
    return cosines.scatter(1, codes[:, None], widened[:, None])
