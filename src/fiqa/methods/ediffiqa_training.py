"""eDifFIQA: labels are corrected during training by how far a sample lies from its subject's best images."""

from __future__ import annotations

import logging

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from ..comparisons.subjects import subject_sums
from ..core.errors import DataError, SettingsError
from ..models.objective import Facts, Objective
from .bounds import real, whole

logger = logging.getLogger(__name__)


class EDifFiqaObjective(Objective):
    """theta (1 - cos(f, f_ref)) + (1 - theta) |q - label'|, means over the batch.

    f is the embedding in training, f_ref the one given, which keeps the network a recogniser, and label' =
    clip(label - epsilon (1 - cos(f, c)), 0, 1) with no gradient: a sample far from its class centre c is
    worth less than its label says. The centre is the mean of f_ref over those images of the subject whose
    label is among the highest share of all labels (ties at the edge included). Subjects with too few such
    images are left out of the training, as published; how many goes to the log.

    Source:
        Babnik, Peer, Struc, "eDifFIQA: Towards Efficient Face Image Quality Assessment Based on Denoising
        Diffusion Probabilistic Models", IEEE TBIOM 2024.
    """

    needs = ("labels", "embeddings")
    heads = ("mlp", "linear", "sigmoid")
    codes: Tensor
    targets: Tensor
    references: Tensor
    centres: Tensor

    def __init__(
        self,
        facts: Facts,
        *,
        theta: float = 0.5,
        epsilon: float = 0.5,
        share: float = 0.2,
        least: int = 10,
    ) -> None:
        """Set weights and which images make a centre.

        Args:
            facts: Subjects, labels in [0, 1], and reference embeddings as long as those in training.
            theta: Weight of the embedding, in (0, 1).
            epsilon: Weight of the correction, above 0.
            share: Share of all samples, by label from the top, that make centres, in (0, 1).
            least: Such images that a subject must have, 1 or more.

        Raises:
            SettingsError: If a value is out of range or the embeddings have another length.
            DataError: If no subject has that many such images.
        """
        super().__init__(facts)
        assert facts.targets is not None  # by `needs`
        assert facts.references is not None
        self.theta = real("theta", theta, below=1.0)
        self.epsilon = real("epsilon", epsilon)
        if facts.references.shape[1] != facts.dimension:
            raise SettingsError(
                f"eDifFIQA needs embeddings as long as those in training, {facts.dimension}, got "
                f"{facts.references.shape[1]}; embed by another recogniser"
            )
        count = max(1, round(real("share", share, below=1.0) * len(facts.targets)))
        best = facts.targets >= np.sort(facts.targets)[-count]
        counts = np.bincount(facts.codes[best], minlength=facts.codes.max() + 1)
        kept = counts >= whole("least", least)
        if not kept.any():
            raise DataError(
                f"no subject has {least} images among the best {share:.0%} of all, at most {counts.max()}; "
                f"lower `least`"
            )
        logger.info("ediffiqa: %d of %d subjects have too few good images", np.sum(~kept), len(kept))
        self.rows = np.flatnonzero(kept[facts.codes])
        centres = np.zeros((len(kept), facts.dimension), np.float32)
        sums = subject_sums(facts.references[best], facts.codes[best])
        centres[: len(sums)] = sums
        self.keep("centres", centres)
        self.keep("codes", facts.codes)
        self.keep("targets", facts.targets)
        self.keep("references", facts.references)

    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """Both parts together."""
        drift = 1 - F.cosine_similarity(embeddings, self.references[rows].to(scores.dtype))
        misfit = (scores - self.corrected(embeddings.detach(), rows)).abs()
        return self.theta * drift.mean() + (1 - self.theta) * misfit.mean()

    def corrected(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """Corrected labels (k,) of samples with these embeddings (k, d)."""
        distance = 1 - F.cosine_similarity(embeddings, self.centres[self.codes[rows]])
        return (self.targets[rows] - self.epsilon * distance).clamp(0, 1)
