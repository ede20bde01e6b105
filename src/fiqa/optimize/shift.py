"""The rank shift: images move towards the mean rank of the pairs credited to them, values stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from .credit import Credit
from .settings import OptimizeSettings

CreditSource = Callable[[NDArray[np.int64], int], Iterable[Credit]]
"""Called with (standing (n,), round); one credit for each repetition."""


@dataclass(frozen=True, eq=False)
class RankShift:
    """Where images stood and where they stand.

    Attributes:
        values: (n,) the given values in their new order.
        before: (n,) rank of each image in the given values, 0..n-1, higher = better.
        after: (n,) rank after the last round.
        rounds: Rounds that were run.
    """

    values: NDArray[np.float64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    rounds: int


def shift_ranks(
    values: NDArray[np.floating], credits: CreditSource, *, settings: OptimizeSettings
) -> RankShift:
    """Move every image towards its mean pair rank, and hand out the same values in the new order.

    With r the rank of an image, m its mean pair rank in one repetition and eps the step, its new position is
    the mean over repetitions of ``r + eps * (m - r)``, or of r where the image was credited with no pair.
    Equal positions keep the order of the ranks before, equal values that of the samples.

    Args:
        values: (n,) base scores, higher = better.
        credits: Where mean pair ranks come from.
        settings: Step, units, rounds.

    Raises:
        DataError: If the values are all equal, so that there is no order to improve.

    Source: Ž. Babnik, N. Damer, V. Štruc, Optimization-based improvement of face image quality assessment
    techniques, IWBF 2023, arXiv 2305.14856, for one round in published units.
    """
    if values.min() == values.max():
        raise DataError(f"{len(values)} base scores are all {values[0]:.6g}: there is no order to improve")
    order = np.argsort(values, kind="stable")
    before = standing = _standing(order)
    rounds = 0
    while rounds < settings.rounds:
        start = before if settings.origin == "base" else standing
        position = _positions(start, credits(standing, rounds), settings)
        order = order[np.argsort(position[order], kind="stable")]
        rounds += 1
        moved = _standing(order)
        if np.array_equal(moved, standing):
            break
        standing = moved
    return RankShift(np.sort(values.astype(np.float64))[standing], before, standing, rounds)


def _standing(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank of each image when `order` lists them from worst to best."""
    standing = np.empty_like(order)
    standing[order] = np.arange(len(order))
    return standing


def _positions(
    start: NDArray[np.int64], credits: Iterable[Credit], settings: OptimizeSettings
) -> NDArray[np.float64]:
    total, count = np.zeros(len(start)), 0
    for credit in credits:
        total += _moved(start, credit, settings)
        count += 1
    return total / count


def _moved(start: NDArray[np.int64], credit: Credit, settings: OptimizeSettings) -> NDArray[np.float64]:
    """Positions after one repetition, on [0, n) or [0, 1) by the unit of the settings."""
    position, target, span = start.astype(np.float64), credit.mean_rank, float(credit.n_pairs)
    if settings.pair_rank_unit == "normalised":
        position, target, span = position / len(start), target / span, 1.0
    weight = credit.weight
    known = weight > 0
    away = np.where(known, target - position, 0.0)
    if settings.margin:
        error = np.divide(span, np.sqrt(12.0 * weight), out=np.zeros_like(weight), where=known)
        away = np.sign(away) * np.maximum(np.abs(away) - settings.margin * error, 0.0)
    share = np.divide(weight, weight + settings.shrinkage, out=np.zeros_like(weight), where=known)
    return position + settings.epsilon * share * credit.presence * away
