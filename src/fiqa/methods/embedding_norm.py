"""Embedding norm: a recogniser that is sure of what it sees gives a long embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import Recogniser
from ..core.types import EmbeddingSet, FaceCrops, QualityScores, SampleSet


class EmbeddingNorm:
    """Euclidean length of the raw embedding, above 0 on the recogniser's own scale, higher = more useful.

    With a recogniser trained by the MagFace loss, which ties length to quality, this is the MagFace score;
    others show the same tendency untrained.

    Source:
        Meng, Zhao, Huang, Zhou, "MagFace: A Universal Representation for Face Recognition and Quality
        Assessment", CVPR 2021, arXiv 2103.06627.
    """

    name = "embedding_norm"

    def __init__(self, recogniser: Recogniser) -> None:
        self.spec = recogniser.spec
        self._recogniser = recogniser

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size than the recogniser wants.
        """
        vectors = self._recogniser.embed(crops.images).astype(np.float64)
        norms: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        return norms


class NormLabels:
    """The same lengths as labels, read from embeddings that were kept with their norms."""

    name = "embedding_norm"

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """One label a sample; neither subjects nor the generator are used."""
        return QualityScores(embeddings.sample_ids, embeddings.norms, self.name)
