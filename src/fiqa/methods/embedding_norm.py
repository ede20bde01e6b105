"""Embedding norm: a recogniser that is sure of what it sees gives a long embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import Recogniser
from ..core.types import EmbeddingSet, FaceCrops, QualityScores, SampleSet
from ..models.second_look import softened
from .bounds import real

if TYPE_CHECKING:
    from torch import Tensor


class EmbeddingNorm:
    """Euclidean length of the raw embedding, above 0 on the recogniser's own scale, higher = more useful.

    With a recogniser trained by the MagFace loss, which ties length to quality, this is the MagFace score;
    others show the same tendency untrained.

    Source:
        Meng, Zhao, Huang, Zhou, "MagFace: A Universal Representation for Face Recognition and Quality
        Assessment", CVPR 2021, arXiv 2103.06627.
    """

    name = "embedding_norm"

    def __init__(self, recogniser: Recogniser, *, second_look: float | None = None) -> None:
        """Score by a recogniser.

        Args:
            recogniser: Any.
            second_look: Blur, as a standard deviation in pixels, above 0; the score is then the mean length
                of the embeddings of the crop and of the blurred crop. Without it a recogniser that takes
                noise for a great harm is believed even if other recognisers see past it.

        Raises:
            SettingsError: If `second_look` is out of range.
        """
        self.spec = recogniser.spec
        self.second_look = None if second_look is None else real("second_look", second_look)
        self._recogniser = recogniser

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size than the recogniser wants.
        """
        scores = self._norms(crops.images)
        if self.second_look is not None:
            scores = (scores + self._norms(softened(crops.images, sigma=self.second_look))) / 2
        return scores

    def _norms(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        vectors = self._recogniser.embed(images).astype(np.float64)
        norms: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
        return norms

    @property
    def score_tensor(self) -> Callable[[Tensor], Tensor] | None:
        """The score (n,) of prepared crops with gradients; None by a second look or out of torch."""
        module = getattr(self._recogniser, "module", None)
        if module is None or self.second_look is not None:
            return None
        return lambda prepared: module(prepared).norm(dim=1)


class NormLabels:
    """The same lengths as labels, read from embeddings that were kept with their norms."""

    name = "embedding_norm"

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """One label a sample; neither subjects nor the generator are used."""
        return QualityScores(embeddings.sample_ids, embeddings.norms, self.name)
