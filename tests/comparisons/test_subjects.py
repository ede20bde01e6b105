from __future__ import annotations

import numpy as np
import pytest

from fiqa.comparisons import subjects
from fiqa.comparisons.subjects import nearest_other_similarity, subject_sums
from fiqa.core.errors import DataError


def test_sums_of_subjects(rng, monkeypatch):
    monkeypatch.setattr(subjects, "BLOCK_ROWS", 3)
    vectors, codes = rng.normal(size=(10, 4)), np.array([2, 0, 1, 1, 2, 2, 0, 3, 3, 1])
    expected = [vectors[codes == code].sum(axis=0) for code in range(4)]
    np.testing.assert_allclose(subject_sums(vectors, codes), expected)


@pytest.mark.parametrize("values", [8, 2**24])
def test_the_nearest_other_centre_is_found_in_blocks(rng, monkeypatch, values):
    monkeypatch.setattr(subjects, "_BLOCK_VALUES", values)
    vectors, codes = rng.normal(size=(40, 6)), np.arange(40) % 4
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sums, rows = 7 * subject_sums(vectors, codes), rng.permutation(40)[:13]
    found = nearest_other_similarity(vectors, codes, sums=sums, rows=rows)
    centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    expected = [max(vectors[row] @ centres[code] for code in range(4) if code != codes[row]) for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_subject_has_no_other():
    with pytest.raises(DataError, match="samples of at least two subjects"):
        nearest_other_similarity(np.eye(2), np.zeros(2, int), sums=np.ones((1, 2)), rows=np.array([0]))
