"""Checks at the gate: what enters a core type is finite, aligned and read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError

Array = TypeVar("Array", bound="np.ndarray[Any, Any]")
_BLOCK_ROWS = 65_536


def first_few(values: ArrayLike, count: int = 3) -> str:
    """The first offenders as text, and how many more there are."""
    items = np.asarray(values).ravel()
    more = f" and {items.size - count} more" if items.size > count else ""
    return ", ".join(str(item) for item in items[:count].tolist()) + more


def text_ids(name: str, values: Sequence[str] | NDArray[np.str_]) -> NDArray[np.str_]:
    """A read-only one-dimensional array of non-empty text ids.

    Raises:
        DataError: If the values are not one-dimensional text or one of them is empty.
    """
    ids = np.asarray(values)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "UTO"):
        raise DataError(f"{name} must be a list of text ids, got {ids.dtype} of shape {ids.shape}")
    ids = ids.astype(np.str_)
    if np.any(ids == ""):
        raise DataError(f"{name} holds an empty id at row {int(np.flatnonzero(ids == '')[0])}")
    return frozen(ids)


def finite(
    name: str,
    values: ArrayLike,
    *,
    ids: NDArray[np.str_] | None = None,
    dtype: type[np.floating] = np.float64,
) -> NDArray[np.floating]:
    """A read-only float array without NaN or infinity; `ids` name the offending rows.

    Raises:
        DataError: If a value is NaN or infinite, naming the first three rows.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} must be numbers, got {array.dtype}")
    array = array.astype(dtype, copy=False)
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1) if array.size else np.zeros(0, bool)
    if bad.any():
        rows = np.flatnonzero(bad)
        where = first_few(rows if ids is None else ids[rows])
        raise DataError(f"{name} must be finite: NaN or infinite at {where}; drop or repair these rows")
    return frozen(array)


def unit_rows(name: str, vectors: ArrayLike, *, tolerance: float = 1e-2) -> NDArray[np.floating]:
    """Check (n, d) rows of unit length in blocks, so that a memory-mapped array is never copied.

    Raises:
        DataError: If the array is not two-dimensional, not finite, or a row's length is off by
            more than `tolerance` (zero vectors included).
    """
    array = np.asanyarray(vectors)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise DataError(f"{name} must be float vectors (n, d), got {array.dtype} of shape {array.shape}")
    for start in range(0, len(array), _BLOCK_ROWS):
        block = np.asarray(array[start : start + _BLOCK_ROWS], dtype=np.float32)
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
        bad = np.flatnonzero(~(np.abs(lengths - 1.0) <= tolerance))
        if bad.size:
            raise DataError(
                f"{name} must have unit length: {bad.size} rows do not, first at {first_few(bad + start)} "
                f"(length {lengths[bad[0]]:.4g}); divide each vector by its norm and drop zero vectors"
            )
    return frozen(array)


def same_length(**columns: Sequence[object] | NDArray[np.generic]) -> int:
    """The common length of the named columns.

    Raises:
        DataError: If they differ.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listing = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"columns must have one length, got {listing}")
    return next(iter(lengths.values()))


def unique(name: str, ids: NDArray[np.str_]) -> None:
    """Refuse repeated ids, naming the first three."""
    values, counts = np.unique(ids, return_counts=True)
    if np.any(counts > 1):
        raise DataError(f"{name} must be unique, repeated: {first_few(values[counts > 1])}")


def frozen(array: Array) -> Array:
    """The same array as a read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def positions(wanted: NDArray[np.str_], available: NDArray[np.str_], *, what: str) -> NDArray[np.int64]:
    """Row of each wanted id among the available ones (both lists without repeats in `available`).

    Raises:
        DataError: If an id is missing, naming the first three.
    """
    if wanted.shape == available.shape and np.array_equal(wanted, available):
        return np.arange(len(wanted))
    if not len(available):
        raise DataError(f"{what}: no rows at all, wanted {first_few(wanted)}")
    order = np.argsort(available, kind="stable")
    ordered = available[order]
    slots = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    missing = ordered[slots] != wanted
    if missing.any():
        raise DataError(
            f"{what}: {int(missing.sum())} of {len(wanted)} ids are missing, "
            f"first {first_few(wanted[missing])}; there are such as {available[0]}"
        )
    return order[slots]


def linked(count: int, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.int64]:
    """Group (count,) of each item, `first[i]` and `second[i]` being in one group, named by its lowest item.

    Groups that share an item are one (connected components).
    """
    group = np.arange(count)
    while True:
        low = np.minimum(group[first], group[second])
        merged = group.copy()
        np.minimum.at(merged, group[first], low)
        np.minimum.at(merged, group[second], low)
        merged = merged[merged][group]
        if np.array_equal(merged, group):
            return group
        group = merged


def mean_ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks 0..n-1, ascending; equal values share the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(sizes) - (sizes + 1) / 2)[group]
    return ranks


def places_within(groups: NDArray[np.integer]) -> NDArray[np.int64]:
    """Place (n,) of each element among those of its group, from 0, in the order of the elements."""
    order = np.argsort(groups, kind="stable")
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - np.searchsorted(groups[order], groups[order])
    return places


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float | None:
    """Spearman's rank correlation with mean ranks for ties; None where one side is constant."""
    ranks = [mean_ranks(side) - (len(side) - 1) / 2 for side in (first, second)]
    scale = np.sqrt(np.square(ranks[0]).sum() * np.square(ranks[1]).sum())
    return float(ranks[0] @ ranks[1] / scale) if scale else None


def whole(amount: ArrayLike) -> NDArray[np.int64]:
    """The floor of amounts >= 0 such as rate * count; 1e-12 short of a whole number is that number.

    So that 29 of 100 stands for a rate of 0.29, though 0.29 * 100 < 29 in binary.
    """
    return np.floor(np.asarray(amount, dtype=np.float64) * (1 + 1e-12)).astype(np.int64)


def from_top(counts: NDArray[Any]) -> NDArray[Any]:
    """How many stand at each place or above it, of how many stand at each."""
    sums: NDArray[Any] = counts[::-1].cumsum()[::-1]
    return sums
