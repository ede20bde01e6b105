"""Random labels: the control that tells what a result owes to its labels."""

from __future__ import annotations

import numpy as np

from ..core.types import EmbeddingSet, QualityScores, SampleSet


class RandomLabels:
    """Uniform labels in [0, 1) that know nothing of the images."""

    name = "random_labels"

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """One label a sample, in the order of `embeddings.sample_ids`."""
        return QualityScores(embeddings.sample_ids, rng.random(len(embeddings)), self.name, "unit")
