"""Class centre: a good image lies near the centre of its subject's other images."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from ..comparisons.subjects import BLOCK_ROWS, subject_sums
from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.types import EmbeddingSet, QualityScores, SampleSet

logger = logging.getLogger(__name__)

_SHORTEST = 1e-6


class ClassCentre:
    """Cosine similarity of a sample to the mean of its subject's *other* samples, in [-1, 1].

    Higher = more useful. Leaving the sample itself out keeps small subjects comparable with large ones. The
    only sample of a subject gets no label: it is left out of the result and counted in the log.
    """

    name = "class_centre"

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """Labels of the samples with a mated partner, in the order of `embeddings.sample_ids`.

        Raises:
            DataError: If `samples` lacks an embedded sample, no subject has two samples, or the other samples
                of a subject cancel out.
        """
        codes = samples.at(embeddings.sample_ids).subject_codes()
        rows = with_partner(codes, method=self.name)
        similarity = own_centre_similarity(embeddings, codes, rows=rows)
        return QualityScores(embeddings.sample_ids[rows], similarity, self.name)


def with_partner(codes: NDArray[np.int64], *, method: str) -> NDArray[np.int64]:
    """Rows of the samples whose subject has another one; how many have none goes to the log.

    Raises:
        DataError: If no subject has two samples.
    """
    rows = np.flatnonzero(np.bincount(codes)[codes] > 1)
    if not len(rows):
        raise DataError(f"{method} needs a subject with at least two samples")
    logger.info("%s: %d samples without a mated partner get no label", method, len(codes) - len(rows))
    return rows


def own_centre_similarity(
    embeddings: EmbeddingSet, codes: NDArray[np.int64], *, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cosine similarity of these rows to the centre of their subject's other samples.

    Args:
        embeddings: All n samples.
        codes: (n,) subject of each.
        rows: Samples to compare, none of them the only one of its subject.

    Raises:
        DataError: If the other samples of a row cancel out, so that they have no centre.
    """
    sums = subject_sums(embeddings.vectors, codes)
    similarity = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        own = np.asarray(embeddings.vectors[block], dtype=np.float64)
        centres = sums[codes[block]] - own
        lengths = np.linalg.norm(centres, axis=1)
        if lengths.min() < _SHORTEST:
            lost = embeddings.sample_ids[block[lengths < _SHORTEST]]
            raise DataError(f"the other samples of the subject cancel out for {first_few(lost)}")
        similarity[start : start + BLOCK_ROWS] = np.einsum("nd,nd->n", own, centres) / lengths
    return similarity
