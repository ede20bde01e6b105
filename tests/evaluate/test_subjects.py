from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import PairSet
from fiqa.evaluate.subjects import infer_subjects


def pairs(ids, first, second, mated) -> PairSet:
    return PairSet(np.array(ids), np.array(first), np.array(second), np.array(mated, dtype=bool))


def test_folders_are_subjects_where_pairs_agree() -> None:
    ids = np.array(["a/1", "a/2", "b/1", "b/2"])
    known = infer_subjects(pairs(ids[:3], [0, 0], [1, 2], [1, 0]), ids)
    assert known.samples.subject_ids.tolist() == ["a", "a", "b", "b"]
    assert known.source == "first folder of the sample ids"


def test_mated_pairs_link_subjects_where_folders_say_otherwise() -> None:
    ids = np.array(["x/1", "x/2", "x/3", "x/4", "x/5"])
    known = infer_subjects(pairs(ids[:4], [0, 1, 2], [1, 2, 3], [1, 1, 0]), ids)
    codes = known.samples.subject_ids
    assert codes[0] == codes[1] == codes[2]
    assert len(set(codes.tolist())) == 3  # the rest stands alone
    assert known.source == "samples linked by mated pairs"


def test_one_folder_of_all_photos_is_no_subject() -> None:
    ids = np.array(["photos/1", "photos/2", "photos/3", "photos/4"])
    known = infer_subjects(pairs(ids, [0, 2], [1, 3], [1, 1]), ids)
    assert len(np.unique(known.samples.subject_ids)) == 2
    assert known.source == "samples linked by mated pairs"


def test_ids_without_folders() -> None:
    known = infer_subjects(pairs(["a", "b", "c"], [0], [2], [1]), np.array(["c", "b", "a"]))
    assert known.samples.subject_ids[0] == known.samples.subject_ids[2] != known.samples.subject_ids[1]
    with pytest.raises(DataError, match="scored samples: 1 of 2 ids are missing, first c"):
        infer_subjects(pairs(["a", "b", "c"], [0], [2], [1]), np.array(["a", "b"]))
