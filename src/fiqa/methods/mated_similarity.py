"""Mated similarity: a good image is recognised in comparisons with its subject's other images."""

from __future__ import annotations

import numpy as np

from ..comparisons.subjects import mean_mated_similarity, subject_sums
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .class_centre import with_partner


class MatedSimilarity:
    """Mean cosine similarity of a sample to its subject's other samples, in [-1, 1], higher = more useful.

    Unlike `ClassCentre`, whose centre has unit length, it also falls where the others disagree with one
    another. The only sample of a subject gets no label: it is left out of the result and counted in the log.
    """

    name = "mated_similarity"

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """Labels of the samples with a mated partner, in the order of `embeddings.sample_ids`.

        Raises:
            DataError: If `samples` lacks an embedded sample or no subject has two samples.
        """
        codes = samples.at(embeddings.sample_ids).subject_codes()
        rows = with_partner(codes, method=self.name)
        sums, sizes = subject_sums(embeddings.vectors, codes), np.bincount(codes)
        means = mean_mated_similarity(embeddings.vectors, codes, sums=sums, sizes=sizes, rows=rows)
        return QualityScores(embeddings.sample_ids[rows], means, self.name)
