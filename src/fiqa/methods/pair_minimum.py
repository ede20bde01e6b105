"""Objectives over mated pairs, whose similarity the worse image of the pair explains."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from ..models.objective import Facts, Objective
from .bounds import whole
from .class_centre import with_partner


class PairMinimum(Objective):
    """Mean, over the mated pairs of a batch, of a misfit between their similarity and their lower score.

    Cosine similarities are those of the embeddings given, which stay as they are; scores lie in (0, 1). All
    pairs i != j of samples of one subject count; the pairs (i, j) and (j, i) cost the same, so that one of
    them stands for both. A batch without a mated pair costs 0. The only sample of a subject is left out.

    Released code of this family lacks the transpose that makes min(q_i, q_j) a matrix of pairs: it takes the
    minimum of a column with itself, and every image then explains its pairs alone.
    """

    needs = ("embeddings",)
    heads = ("sigmoid",)
    codes: Tensor
    references: Tensor

    def __init__(self, facts: Facts, *, samples_per_subject: int) -> None:
        super().__init__(facts)
        assert facts.references is not None  # by `needs`
        self.samples_per_subject = whole("samples_per_subject", samples_per_subject, least=2)
        self.rows = with_partner(facts.codes, method="training on mated pairs")
        self.keep("codes", facts.codes)
        self.keep("references", facts.references)

    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:  # noqa: ARG002
        """The mean misfit."""
        codes, references = self.codes[rows], self.references[rows].to(scores.dtype)
        first, second = (codes[:, None] == codes).triu(diagonal=1).nonzero(as_tuple=True)
        cosines = torch.linalg.vecdot(references[first], references[second])
        misfit = self.misfit(cosines, torch.minimum(scores[first], scores[second]))
        return misfit.sum() / max(len(first), 1)

    @abstractmethod
    def misfit(self, cosines: Tensor, lower: Tensor) -> Tensor:
        """The cost (m,) of pairs with these cosine similarities (m,) and lower scores (m,)."""
