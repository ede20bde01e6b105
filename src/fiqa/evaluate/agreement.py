"""Do two quality methods, or two test beds, order things alike?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..core.arrays import finite, same_length
from ..core.errors import DataError, SettingsError
from ..core.types import QualityScores


@dataclass(frozen=True)
class Agreement:
    """How alike two methods order the same samples.

    Attributes:
        first: Name of one method.
        second: Name of the other.
        spearman: Rank correlation in [-1, 1], mid-ranks for ties.
        kendall: tau-b in [-1, 1].
        worst_overlap: Share of the worst tenth of the first that is also in the worst tenth of the second;
            0.1 is expected of unrelated methods.
    """

    first: str
    second: str
    spearman: float
    kendall: float
    worst_overlap: float

    def to_dict(self) -> dict[str, str | float]:
        """Plain values, ready for JSON."""
        return asdict(self)


def agreement(first: QualityScores, second: QualityScores) -> Agreement:
    """Compare two methods on the samples of the first, all of which the second must have scored.

    Raises:
        DataError: If a sample is missing, or one of the methods gives all samples one score.
    """
    ours, theirs = first.values, second.at(first.sample_ids)
    return Agreement(
        first.method,
        second.method,
        spearman(ours, theirs),
        kendall(ours, theirs),
        worst_overlap(ours, theirs),
    )


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation, mid-ranks for ties; a DataError where one side is constant."""
    one, other = _pair(first, second)
    return float(stats.spearmanr(one, other).statistic)


def kendall(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's tau-b; a DataError where one side is constant."""
    one, other = _pair(first, second)
    return float(stats.kendalltau(one, other).statistic)


def worst_overlap(first: ArrayLike, second: ArrayLike, *, share: float = 0.1) -> float:
    """Share, in [0, 1], of the lowest ceil(share * n) of `first` that are also among those of `second`.

    Ties at the edge fall in the order in which the values stand.
    """
    if not 0.0 < share <= 1.0:
        raise SettingsError(f"share must lie in (0, 1], got {share}")
    one, other = _pair(first, second)
    count = int(np.ceil(share * one.size))
    worst, others = (np.argsort(values, kind="stable")[:count] for values in (one, other))
    return float(np.isin(worst, others).mean())


@dataclass(frozen=True)
class RankStability:
    """How alike several test beds rank the same methods.

    Attributes:
        kendall_w: Coefficient of concordance in [0, 1]: 1 where all rankings are the same.
        mean_spearman: Mean correlation over all pairs of test beds, in [-1, 1].
        mean_ranks: Mean rank of each method over the test beds, 1 = lowest value = best.
    """

    kendall_w: float
    mean_spearman: float
    mean_ranks: tuple[float, ...]


def rank_stability(areas: ArrayLike) -> RankStability:
    """Concordance of the rankings of methods.

    Args:
        areas: (t, k) area of each of k methods on each of t test beds (benchmark and recogniser).

    Raises:
        DataError: If there are fewer than two test beds or methods.

    Source: Kendall and Smith, "The problem of m rankings", 1939, corrected for ties.
    """
    table = finite("areas", areas)
    if table.ndim != 2 or min(table.shape) < 2:
        raise DataError(f"rank stability needs two test beds and two methods at least, got {table.shape}")
    ranks = stats.rankdata(table, axis=1)
    n_beds, n_methods = ranks.shape
    spread = np.square(ranks.sum(axis=0) - n_beds * (n_methods + 1) / 2).sum()
    ties = sum(
        np.sum(counts**3 - counts) for counts in (np.unique(row, return_counts=True)[1] for row in ranks)
    )
    largest = n_beds * (n_beds * (n_methods**3 - n_methods) - ties) / 12
    if largest == 0:
        raise DataError("all methods have equal areas on every test bed: there is no ranking")
    between = [spearman(a, b) for i, a in enumerate(table) for b in table[i + 1 :]]
    return RankStability(float(spread / largest), float(np.mean(between)), tuple(ranks.mean(axis=0).tolist()))


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    one, other = finite("first", first), finite("second", second)
    same_length(first=one, second=other)
    for name, values in (("first", one), ("second", other)):
        if values.size < 2 or values.min() == values.max():
            raise DataError(f"the {name} of two lists to compare needs at least two distinct values")
    return one, other
