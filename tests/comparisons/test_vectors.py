from __future__ import annotations

import pickle

import numpy as np
import pytest

from fiqa.comparisons.vectors import UnitVectors
from fiqa.core.errors import DataError


def unit(rng: np.random.Generator, n: int, d: int = 8) -> np.ndarray:
    vectors = rng.normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_every_half_float_is_widened_exactly() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.abs(halves) <= 1]
    rest = np.sqrt(1 - halves.astype(np.float32) ** 2).astype(np.float16)
    vectors = np.stack((halves, rest), axis=1)
    block = UnitVectors(vectors).read(np.arange(len(vectors)))
    np.testing.assert_array_equal(block, vectors.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_come_in_the_order_asked_for(rng: np.random.Generator, dtype: type) -> None:
    vectors = unit(rng, 20).astype(dtype)
    wanted = np.array([7, 3, 3, 19])
    read = UnitVectors(vectors).read(wanted)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, vectors[wanted].astype(np.float32))


def test_rows_map_samples_to_vectors(rng: np.random.Generator) -> None:
    vectors = unit(rng, 5)
    mapped = UnitVectors(vectors, np.array([4, 2]))
    assert len(mapped) == 2
    np.testing.assert_array_equal(mapped.read(np.array([1, 0])), vectors[[2, 4]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("rows", [slice(None), slice(700, 900), slice(1, None)])
def test_a_mapped_file_travels_as_its_path(
    rng: np.random.Generator, tmp_path, dtype: type, rows: slice
) -> None:
    np.save(tmp_path / "vectors.npy", unit(rng, 1000).astype(dtype))
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")[rows]
    packed = pickle.dumps(UnitVectors(mapped))
    assert len(packed) < 1000
    again = pickle.loads(packed)
    assert isinstance(again.array, np.memmap)
    np.testing.assert_array_equal(again.array, mapped)


def test_an_array_travels_with_its_values(rng: np.random.Generator) -> None:
    vectors = UnitVectors(unit(rng, 4), np.array([3, 1]))
    again = pickle.loads(pickle.dumps(vectors))
    np.testing.assert_array_equal(again.read(np.arange(2)), vectors.read(np.arange(2)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("bad", [0.0, 1.5, np.nan, np.inf])
def test_vectors_of_another_length_are_refused(rng: np.random.Generator, dtype: type, bad: float) -> None:
    vectors = unit(rng, 6)
    vectors[[2, 4]] *= np.float32(bad)
    with pytest.raises(DataError, match=r"unit length: those of samples 2, 4 do not .* drop zero vectors"):
        UnitVectors(vectors.astype(dtype)).read(np.arange(6))


def test_vectors_are_a_table_of_floats() -> None:
    with pytest.raises(DataError, match=r"vectors must be floats \(n, d\), got int64 of shape \(3,\)"):
        UnitVectors(np.arange(3))
