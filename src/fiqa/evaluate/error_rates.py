"""False match and false non-match rates, and the thresholds between them.

A comparison is accepted when similarity >= threshold. FMR is the share of non-mated comparisons
accepted, FNMR the share of mated comparisons rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import finite, whole
from ..core.errors import DataError, SettingsError
from ..core.types import ComparisonScores

Rule = Literal["at_most", "nearest", "above_nearest", "index"]


def threshold_at_fmr(
    non_mated: ArrayLike, fmr: float, *, rule: Rule = "at_most", mated: ArrayLike | None = None
) -> float:
    """The similarity at and above which comparisons are accepted, for a target FMR.

    Args:
        non_mated: (n,) similarities of non-mated comparisons, in any order.
        fmr: Target in (0, 1).
        rule: ``"at_most"``: the lowest threshold whose FMR does not exceed the target. With
            k = floor(fmr * n) it lies directly above the (k+1)-th highest non-mated similarity, so all
            comparisons tied with that one are rejected; where fmr < 1/n it lies above all of them.
            ``"nearest"``: among the observed similarities, mated ones included, the lowest of those whose
            FMR is nearest to the target. ``"above_nearest"``: directly above that one (a strict
            inequality). ``"index"``: directly above the non-mated similarity number floor(fmr * (n - 1)),
            counted from 0 at the highest.
        mated: (m,) similarities of mated comparisons; the two ``nearest`` rules need them.

    Returns:
        The threshold, representable in the precision of `non_mated`.

    Raises:
        DataError: If there is no non-mated similarity or one is not finite.
        SettingsError: If the target is not inside (0, 1).
    """
    scores = finite("non-mated similarity", non_mated, dtype=_precision(non_mated))
    if not scores.size:
        raise DataError("no non-mated comparison: an FMR needs some; give a threshold instead")
    if not 0.0 < fmr < 1.0:
        raise SettingsError(f"fmr must lie inside (0, 1), got {fmr}")
    if rule in ("at_most", "index"):
        last = scores.size - 1
        place = last - int(whole(fmr * (scores.size if rule == "at_most" else last)))
        return above(np.partition(scores, place)[place])
    if rule not in get_args(Rule):
        raise SettingsError(f"rule must be one of {', '.join(get_args(Rule))}, got {rule!r}")
    if mated is None:
        raise SettingsError(f"rule {rule!r} looks at mated similarities too: give `mated`")
    candidates = np.unique(np.concatenate([scores, np.asarray(mated, dtype=scores.dtype)]))
    rates = (scores.size - np.searchsorted(np.sort(scores), candidates, side="left")) / scores.size
    nearest = candidates[np.argmin(np.abs(rates - fmr))]
    return float(nearest) if rule == "nearest" else above(nearest)


def threshold_at_fnmr(mated: ArrayLike, fnmr: float) -> float:
    """The highest threshold whose FNMR does not exceed the target.

    With k = floor(fnmr * m) it is the (k+1)-th lowest mated similarity; those tied with it are accepted.

    Raises:
        DataError: If there is no mated similarity or one is not finite.
        SettingsError: If the target is not inside [0, 1).
    """
    scores = finite("mated similarity", mated, dtype=_precision(mated))
    if not scores.size:
        raise DataError("no mated comparison: an FNMR needs some")
    if not 0.0 <= fnmr < 1.0:
        raise SettingsError(f"fnmr must lie inside [0, 1), got {fnmr}")
    rank = int(whole(fnmr * scores.size))
    return float(np.partition(scores, rank)[rank])


def fmr_at(non_mated: ArrayLike, threshold: float) -> float:
    """Share of non-mated similarities >= threshold; a DataError without any."""
    scores = np.asarray(non_mated)
    if not scores.size:
        raise DataError("no non-mated comparison: the FMR is undefined")
    return float(np.count_nonzero(scores >= threshold) / scores.size)


def fnmr_at(mated: ArrayLike, threshold: float) -> float:
    """Share of mated similarities < threshold; a DataError without any."""
    scores = np.asarray(mated)
    if not scores.size:
        raise DataError("no mated comparison: the FNMR is undefined")
    return float(np.count_nonzero(scores < threshold) / scores.size)


@dataclass(frozen=True, eq=False)
class DetCurve:
    """Detection error trade-off: one operating point for each distinct similarity.

    Attributes:
        thresholds: (k,) rising; the last is infinite and accepts nothing.
        fmr: (k,) falling from 1 to 0.
        fnmr: (k,) rising from 0 to 1.
        recogniser: Whose comparisons.
    """

    thresholds: NDArray[np.float64]
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    recogniser: str

    @property
    def equal_error_rate(self) -> float:
        """Error rate where FMR = FNMR, by a straight line between the two operating points around it."""
        gap = self.fnmr - self.fmr
        right = int(np.argmax(gap >= 0))
        left = max(right - 1, 0)
        step = gap[right] - gap[left]
        share = -gap[left] / step if step > 0 else 0.0
        return float(self.fmr[left] + share * (self.fmr[right] - self.fmr[left]))


def det(comparisons: ComparisonScores) -> DetCurve:
    """All operating points of a recogniser on these comparisons.

    Source: Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997;
    ISO/IEC 19795-1.

    Raises:
        DataError: If there is no mated or no non-mated comparison.
    """
    mated, non_mated = np.sort(comparisons.mated), np.sort(comparisons.non_mated)
    if not mated.size or not non_mated.size:
        raise DataError(f"a DET needs mated and non-mated comparisons, got {mated.size} and {non_mated.size}")
    thresholds = np.append(np.unique(comparisons.similarity), np.inf)
    return DetCurve(
        thresholds.astype(np.float64),
        (non_mated.size - np.searchsorted(non_mated, thresholds, side="left")) / non_mated.size,
        np.searchsorted(mated, thresholds, side="left") / mated.size,
        comparisons.recogniser,
    )


@dataclass(frozen=True, eq=False)
class VerificationAccuracy:
    """Accuracy over the folds of a protocol.

    Attributes:
        accuracies: (f,) share of right decisions in each fold, in [0, 1].
        thresholds: (f,) each chosen on the other folds.
    """

    accuracies: NDArray[np.float64]
    thresholds: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(self.accuracies.mean())

    @property
    def standard_error(self) -> float:
        """Standard deviation over the folds (n - 1) divided by the root of their number."""
        return float(self.accuracies.std(ddof=1) / np.sqrt(self.accuracies.size))


def verification_accuracy(comparisons: ComparisonScores) -> VerificationAccuracy:
    """Accuracy on each fold at the threshold that is most accurate on all other folds.

    Every distinct similarity of the other folds is tried; of several equally accurate thresholds the middle
    one is taken.

    Source: Huang et al., "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007, View 2.

    Raises:
        DataError: If the pairs have no folds, or fewer than two.
    """
    folds = comparisons.pairs.folds
    if folds is None or len(np.unique(folds)) < 2:
        raise DataError(
            "verification accuracy needs pairs with two folds or more; read a protocol that has them"
        )
    mated, similarity = comparisons.pairs.mated, comparisons.similarity
    accuracies, thresholds = [], []
    for fold in np.unique(folds):
        test = folds == fold
        threshold = _most_accurate(similarity[~test], mated[~test])
        thresholds.append(threshold)
        accuracies.append(np.mean((similarity[test] >= threshold) == mated[test]))
    return VerificationAccuracy(np.array(accuracies), np.array(thresholds))


def above(value: np.floating) -> float:
    """The next number in the precision of the value: at or above it is strictly above the value."""
    return float(np.nextafter(value, value.dtype.type(np.inf)))


def _most_accurate(similarity: NDArray[np.floating], mated: NDArray[np.bool_]) -> float:
    order = np.argsort(similarity)
    candidates, starts = np.unique(similarity[order], return_index=True)
    below = np.concatenate([[0], np.cumsum(mated[order])])  # mated ones rejected when the first i are
    right = mated.sum() - below[starts] + (starts - below[starts])
    best = np.flatnonzero(right == right.max())
    return float(candidates[best[len(best) // 2]])


def _precision(scores: ArrayLike) -> type[np.floating]:
    return np.float32 if np.asarray(scores).dtype == np.float32 else np.float64
