from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.train.separation import ranks_moved, separations


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def test_by_hand() -> None:
    # a: crops at 0, 20 and 60 degrees, a variant of the first at 30; b: a crop at 120 and its variant at 100
    vectors = at(0, 20, 60, 120, 30, 100) * np.array([[3], [1], [2], [5], [0.5], [4]])
    found = separations(vectors, np.array([0, 0, 0, 1, 0, 1]), np.array([0, 1, 2, 3, 0, 3]))
    expected = [
        (cosine(20) + cosine(60)) / 2 - cosine(120),
        (cosine(20) + cosine(40)) / 2 - cosine(100),
        (cosine(60) + cosine(40)) / 2 - cosine(60),
        (cosine(10) + cosine(30)) / 2 - cosine(90),  # the variant: with 20 and 60, not with its own crop at 0
    ]
    np.testing.assert_allclose(found[[0, 1, 2, 4]], expected, atol=1e-6)
    assert np.isnan(found[[3, 5]]).all()  # b has no second crop, and a variant of the only one is none


def test_the_definition_in_loops(rng: np.random.Generator) -> None:
    n_crops, codes = 30, rng.integers(0, 7, 30)
    codes[:7] = range(7)
    originals = np.concatenate([np.arange(n_crops), rng.permutation(n_crops)])
    codes, vectors = codes[originals], rng.normal(size=(2 * n_crops, 5))
    found = separations(vectors, codes, originals)
    units = [vector / np.linalg.norm(vector) for vector in vectors]
    crops = [[row for row in range(n_crops) if codes[row] == code] for code in range(7)]
    centres = [sum(units[row] for row in rows) for rows in crops]
    for row, unit in enumerate(units):
        others = [unit @ units[other] for other in crops[codes[row]] if other != originals[row]]
        far = max(unit @ c / np.linalg.norm(c) for code, c in enumerate(centres) if code != codes[row])
        assert found[row] == pytest.approx(np.mean(others) - far if others else np.nan, abs=1e-6, nan_ok=True)


def test_ranks_move_by_their_share_where_a_separation_is_known() -> None:
    scores, apart = np.array([10.0, 40, 20, 30, 30]), np.array([0.5, 0.1, np.nan, 0.9, np.nan])
    # ranks of the scores 0, 1, 0.25, 0.625, 0.625; of the separations 0.5, 0, -, 1, -
    np.testing.assert_allclose(ranks_moved(scores, apart, share=0.4), [0.2, 0.6, 0.25, 0.775, 0.625])
    np.testing.assert_allclose(ranks_moved(scores, apart, share=1), [0.5, 0, 0.25, 1, 0.625])


def test_what_nothing_sets_apart_is_refused() -> None:
    with pytest.raises(DataError, match="a subject with at least two crops"):
        separations(np.eye(3), np.arange(3), np.arange(3))
    with pytest.raises(DataError, match="at least two subjects"):
        separations(np.eye(3), np.zeros(3, int), np.arange(3))
