"""Whom samples show, where no list says so."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.arrays import positions
from ..core.types import PairSet, SampleSet


class KnownSubjects(NamedTuple):
    """Samples with their subjects, and how these are known."""

    samples: SampleSet
    source: str


def infer_subjects(pairs: PairSet, sample_ids: NDArray[np.str_]) -> KnownSubjects:
    """Subjects as ids and pairs tell them.

    Where every id begins with a folder (``ada/1.jpg``) and these folders agree with all pairs, they are the
    subjects. Else samples that mated pairs link, directly or through others, are one subject; a subject
    whose samples are never compared with each other then counts as several.

    Args:
        pairs: The comparisons.
        sample_ids: (n,) samples to name a subject for, the compared ones among them.

    Raises:
        DataError: If a compared sample is not among them.
    """
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    rows = np.zeros(len(pairs.sample_ids), dtype=np.int64)
    rows[used] = positions(pairs.sample_ids[used], sample_ids, what="scored samples")
    first, second = rows[pairs.first], rows[pairs.second]
    folders, slash, _ = np.strings.partition(sample_ids, "/")
    agree = np.array_equal(folders[first] == folders[second], pairs.mated)
    if np.all(slash == "/") and agree and len(np.unique(folders)) > 1:
        return KnownSubjects(SampleSet(sample_ids, folders), "first folder of the sample ids")
    first, second = first[pairs.mated], second[pairs.mated]
    links = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(sample_ids),) * 2)
    codes = connected_components(links, directed=False)[1]
    return KnownSubjects(SampleSet(sample_ids, codes.astype(np.str_)), "samples linked by mated pairs")
