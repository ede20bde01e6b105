"""Several images of one subject as one: embedding, quality and subject of a template.

Source: the usual protocol of IJB-B and IJB-C (Whitelam et al. 2017, doi:10.1109/CVPRW.2017.87), with the
quality of a template as in CR-FIQA (Boutros et al. 2023, arXiv:2112.06592).
"""

from __future__ import annotations

import numpy as np

from ..core.arrays import first_few, linked, positions
from ..core.errors import DataError
from ..core.types import EmbeddingSet, PairSet, QualityScores, SampleSet, TemplateSet

_BLOCK_ROWS = 8192


def pool_embeddings(embeddings: EmbeddingSet, templates: TemplateSet) -> EmbeddingSet:
    """One unit vector a template: the sum over its media of the mean over the images of each.

    Every image counts with its unit vector, and the frames of a video together as much as one photograph.

    Returns:
        Embeddings under the ids of the templates, sorted; `norms` are the lengths of the sums.

    Raises:
        DataError: If an image has no embedding, or the vectors of a template cancel out.
    """
    names, template = np.unique(templates.template_ids, return_inverse=True)
    _, media = np.unique(templates.media_ids, return_inverse=True)
    _, place, n_images = np.unique(
        template * (media.max(initial=0) + 1) + media, return_inverse=True, return_counts=True
    )
    rows = positions(
        templates.sample_ids, embeddings.sample_ids, what=f"embeddings of {embeddings.recogniser}"
    )
    sums = np.zeros((len(names), embeddings.vectors.shape[1]), np.float64)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        weighted = embeddings.vectors[rows[block]] / n_images[place[block]][:, None].astype(np.float64)
        np.add.at(sums, template[block], weighted)
    norms = np.linalg.norm(sums, axis=1)
    if np.any(norms < 1e-6):
        raise DataError(f"templates whose vectors cancel out: {first_few(names[norms < 1e-6])}")
    vectors = (sums / norms[:, None]).astype(np.float32)
    return EmbeddingSet(names, vectors, norms, embeddings.recogniser)


def pool_quality(scores: QualityScores, templates: TemplateSet) -> QualityScores:
    """The lowest score among the images of each template, under the ids of the templates, sorted.

    Raises:
        DataError: If an image has no score.
    """
    names, template = np.unique(templates.template_ids, return_inverse=True)
    values = np.full(len(names), np.inf)
    np.minimum.at(values, template, scores.at(templates.sample_ids))
    return QualityScores(names, values, scores.method, scores.scale)


def template_subjects(pairs: PairSet) -> SampleSet:
    """Whom the templates show as far as the list tells: templates linked by mated pairs are one subject."""
    subject = linked(len(pairs.sample_ids), pairs.first[pairs.mated], pairs.second[pairs.mated])
    return SampleSet(pairs.sample_ids, pairs.sample_ids[subject])
