"""CR-FIQA: a good image is classified with ease, near its own class centre and far from the next."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..comparisons.subjects import nearest_other_similarity, subject_sums
from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .bounds import one_of
from .class_centre import own_centre_similarity, with_partner
from .published import Published


class CrFiqa(Published):
    """The score of the official networks, unbounded, higher = more useful.

    It comes from a linear layer on the raw embedding, trained together with recognition to foretell the label
    below for faces whose class is not known.

    Source:
        As `CrFiqaLabels`.
    """

    name = "cr_fiqa"


class CrFiqaLabels:
    """Certainty ratio of a sample, higher = more useful.

    With CCS the cosine similarity to the sample's own class centre and NNCCS the highest one to any other
    class centre, the label is CCS / (NNCCS + 1), the formula of the paper, or CCS / NNCCS, that of the
    first released program, which fails where no other class is on the sample's side. The published class
    centres are the weights of a classifier in training; here they are the mean embeddings of the subjects,
    the sample itself left out of its own. The only sample of a subject gets no label: it is left out of the
    result and counted in the log, though its subject still counts as another class.

    Source:
        Boutros, Fang, Klemt, Fu, Damer, "CR-FIQA: Face Image Quality Assessment by Learning Sample Relative
        Classifiability", CVPR 2023, arXiv 2112.06592.
    """

    name = "cr_fiqa"

    def __init__(self, *, denominator: Literal["shifted", "plain"] = "shifted") -> None:
        """Choose the denominator: ``shifted`` is NNCCS + 1, ``plain`` is NNCCS.

        Raises:
            SettingsError: If it is neither.
        """
        self.denominator = one_of("denominator", denominator, ("shifted", "plain"))

    def labels(self, embeddings: EmbeddingSet, samples: SampleSet, rng: np.random.Generator) -> QualityScores:  # noqa: ARG002
        """Labels of the samples with a mated partner, in the order of `embeddings.sample_ids`.

        Raises:
            DataError: If `samples` lacks an embedded sample, no subject has two samples, there is one subject
                alone, or a denominator is not above 0.
        """
        codes = samples.at(embeddings.sample_ids).subject_codes()
        rows = with_partner(codes, method=self.name)
        own = own_centre_similarity(embeddings, codes, rows=rows)
        sums = subject_sums(embeddings.vectors, codes)
        nearest = nearest_other_similarity(embeddings.vectors, codes, sums=sums, rows=rows)
        divisor = nearest + (self.denominator == "shifted")
        ids = embeddings.sample_ids[rows]
        if divisor.min() <= 0:
            raise DataError(
                f"CR-FIQA: no other class centre is near {first_few(ids[divisor <= 0])}; "
                f"use the shifted denominator"
            )
        return QualityScores(ids, own / divisor, self.name)
