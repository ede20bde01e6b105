"""What discarding does to each group of people or images.

All groups are held to one similarity threshold and one quality threshold: a group whose images score lower
loses more of them, whatever its error rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import positions, same_length, whole
from ..core.errors import DataError, SettingsError
from ..core.types import QualityScores
from .edc import DiscardOrder, EdcCurve
from .pauc import areas

SHARES = (0.05, 0.1, 0.2, 0.3)


@dataclass(frozen=True)
class ThresholdEffect:
    """One quality threshold for all, seen from one group.

    Attributes:
        score: Images below it are discarded.
        discarded_overall: Share of all compared images below it.
        discarded: Share of the group's images below it.
        n_pairs: Mated pairs of the group that are left.
        fnmr: Their FNMR, None where none is left.
    """

    score: float
    discarded_overall: float
    discarded: float
    n_pairs: int
    fnmr: float | None


@dataclass(frozen=True, eq=False)
class GroupResult:
    """One group.

    Attributes:
        name: Its name.
        n_samples: Compared images that belong to it.
        n_non_mated: Non-mated comparisons within it.
        fmr: Share of these accepted at the common similarity threshold, None without any.
        curve: EDC of the mated pairs within it at that threshold, None without any.
        effects: What common quality thresholds do to it.
    """

    name: str
    n_samples: int
    n_non_mated: int
    fmr: float | None
    curve: EdcCurve | None
    effects: tuple[ThresholdEffect, ...]

    def to_dict(self, *, limit: float | None = None) -> dict[str, Any]:
        """Plain values, ready for JSON, with areas to `limit` (the convention's own without one)."""
        curve = self.curve
        own: dict[str, Any] = {
            "n_mated": 0,
            "n_errors": 0,
            "fnmr0": None,
            "discard": [],
            "error": [],
            "areas": None,
        }
        if curve is not None:
            own = {
                "n_mated": int(curve.n_kept[0]),
                "n_errors": int(curve.n_errors[0]),
                "fnmr0": curve.error_at_zero,
                "discard": curve.discard_fraction.tolist(),
                "error": curve.error_rate.tolist(),
                "areas": areas(curve, limit=limit).to_dict(),
            }
        counts = {"n_samples": self.n_samples, "n_non_mated": self.n_non_mated, "fmr": self.fmr}
        return {"name": self.name, **counts, **own, "effects": [asdict(effect) for effect in self.effects]}


def by_group(
    order: DiscardOrder,
    quality: QualityScores,
    groups: NDArray[np.str_],
    *,
    shares: Sequence[float] = SHARES,
) -> tuple[GroupResult, ...]:
    """EDC, discard shares and what common thresholds do, for each group.

    A comparison belongs to a group if both of its samples do; an empty name is no group. Common quality
    thresholds are those that discard at most the given shares of all compared images.

    Args:
        order: From `edc.discard_order`, FNMR at a threshold that is held fixed.
        quality: The scores behind it.
        groups: (n,) group of each sample of `quality`.
        shares: Shares of all compared images to discard, in [0, 1).

    Raises:
        SettingsError: If the convention moves the threshold, or the error rate is not the FNMR.
        DataError: If the columns differ in length, or no mated pair lies within one group.

    Source: ISO/IEC 19795-10:2024 on differential performance.
    """
    same_length(quality=quality.values, groups=groups)
    if order.convention.threshold != "fixed" or order.error != "fnmr":
        raise SettingsError(
            "groups are compared by FNMR at one threshold, got "
            f"{order.error.upper()} with {order.convention.name}"
        )
    order = replace(order, given_threshold=order.curve().threshold)
    pairs = order.comparisons.pairs
    row = np.zeros(len(pairs.sample_ids), dtype=np.int64)
    compared = positions(pairs.sample_ids[order.images], quality.sample_ids, what="quality scores")
    row[order.images] = compared
    first, second = row[pairs.first], row[pairs.second]
    within = np.where(groups[first] == groups[second], groups[first], "")
    if not np.any((within != "") & pairs.mated):
        raise DataError("no mated pair has both samples in one group")
    values = np.sort(quality.values[compared])
    scores = [float(values[whole(share * len(values))]) for share in shares]
    worse = np.minimum(quality.values[first], quality.values[second])
    return tuple(
        _group(name, order, within == name, worse, groups[compared] == name, quality.values[compared], scores)
        for name in np.unique(groups[compared]).tolist()
        if name
    )


def _group(
    name: str,
    order: DiscardOrder,
    within: NDArray[np.bool_],
    worse: NDArray[np.floating],
    members: NDArray[np.bool_],
    values: NDArray[np.floating],
    scores: Sequence[float],
) -> GroupResult:
    assert order.given_threshold is not None  # by `by_group`
    mated = order.comparisons.pairs.mated
    accepted = order.comparisons.similarity >= order.given_threshold
    non_mated, own = within & ~mated, within & mated
    return GroupResult(
        name,
        n_samples=int(members.sum()),
        n_non_mated=int(non_mated.sum()),
        fmr=_share(accepted[non_mated]),
        curve=order.curve(np.flatnonzero(within), np.flatnonzero(members)) if own.any() else None,
        effects=tuple(
            ThresholdEffect(
                score,
                discarded_overall=float(np.mean(values < score)),
                discarded=float(np.mean(values[members] < score)),
                n_pairs=int(np.count_nonzero(own & (worse >= score))),
                fnmr=_share(~accepted[own & (worse >= score)]),
            )
            for score in scores
        ),
    )


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if flags.size else None
