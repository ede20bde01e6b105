"""How well a recogniser tells people apart on a protocol, and whether its colours are the right way round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ..core.errors import DataError
from ..core.types import ComparisonScores
from .error_rates import det, fnmr_at, threshold_at_fmr, verification_accuracy

CHANCE = 0.01
"""Largest probability under chance at which what exchanged colours gain is a warning."""


@dataclass(frozen=True)
class Rates:
    """What one set of comparisons gives.

    Attributes:
        accuracy: Mean over the folds of the protocol, in [0, 1]; each threshold comes from the other folds.
        accuracy_std: Standard deviation over the folds (n - 1).
        equal_error_rate: Where FMR = FNMR.
        fnmr: FNMR at the target FMR.
        threshold: Similarity at and above which comparisons are accepted there.
        separation: Distance of the mean mated from the mean non-mated similarity in units of the root mean
            square of their two standard deviations: the d' of Daugman, IEEE T-CSVT 14 (2004) 21.
    """

    accuracy: float
    accuracy_std: float
    equal_error_rate: float
    fnmr: float
    threshold: float
    separation: float


@dataclass(frozen=True)
class Verification:
    """A recogniser on a protocol, with its crops as they are and with red and blue exchanged.

    Attributes:
        benchmark: Name of the protocol.
        recogniser: Whose comparisons.
        n_images: Images compared.
        n_mated: Mated comparisons.
        n_non_mated: Non-mated comparisons.
        n_dropped: Pairs of the protocol left out because a sample was not at hand.
        fmr: Target FMR.
        as_given: Rates with the crops as they are.
        swapped: Rates with red and blue exchanged.
        only_as_given: Pairs decided rightly as they are and wrongly when exchanged.
        only_swapped: Pairs decided wrongly as they are and rightly when exchanged.
        p_swapped: Chance that exchanging separates the pairs so much better, or more, if it made no
            difference: the one-sided t test over folds, whose subjects are others, of the paired
            differences in how far a pair lies on its right side, in the unit of `separation`.
    """

    benchmark: str
    recogniser: str
    n_images: int
    n_mated: int
    n_non_mated: int
    n_dropped: int
    fmr: float
    as_given: Rates
    swapped: Rates
    only_as_given: int
    only_swapped: int
    p_swapped: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the numbers say against the crops or the contract.

        Errors are too few to tell: of 6,000 pairs of LFW, exchanging colours changes 10 to 70. So a warning
        asks for a better separation beyond chance, and for an accuracy that does not fall.
        """
        given, swapped = self.as_given, self.swapped
        if self.p_swapped > CHANCE or swapped.accuracy < given.accuracy:
            return ()
        return (
            f"{self.recogniser} on {self.benchmark}: exchanging red and blue sets mated and non-mated pairs "
            f"further apart (separation {given.separation:.2f} to {swapped.separation:.2f}, accuracy "
            f"{given.accuracy:.2%} to {swapped.accuracy:.2%}, p = {self.p_swapped:.1g}): "
            f"the crops or the contract seem to have red and blue exchanged",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verification:
        """The inverse of `to_dict`; further keys are ignored.

        Raises:
            DataError: If something is missing.
        """
        try:
            own = {name: values[name] for name in cls.__dataclass_fields__}
            return cls(**{**own, **{name: Rates(**own[name]) for name in ("as_given", "swapped")}})
        except (KeyError, TypeError) as error:
            raise DataError(f"this is no verification of a recogniser: {error!r}") from error


def verify(
    benchmark: str,
    comparisons: ComparisonScores,
    swapped: ComparisonScores,
    *,
    fmr: float,
    n_dropped: int = 0,
) -> Verification:
    """Rates of the same pairs compared twice, the second time with red and blue exchanged.

    Args:
        benchmark: Name of the protocol.
        comparisons: With the crops as they are.
        swapped: The same pairs, exchanged.
        fmr: Target FMR.
        n_dropped: Pairs of the protocol that are not among them.

    Raises:
        DataError: If the pairs differ or have no folds, comparisons of a kind are absent, or all of a kind
            are equally similar.
    """
    pairs = comparisons.pairs
    facts = ("sample_ids", "first", "second", "mated", "folds")
    if not all(np.array_equal(getattr(pairs, name), getattr(swapped.pairs, name)) for name in facts):
        raise DataError("a verification compares the same pairs twice, got different ones")
    as_given, right, margins = _rates(comparisons, fmr)
    exchanged, right_swapped, margins_swapped = _rates(swapped, fmr)
    n_mated = int(np.count_nonzero(pairs.mated))
    return Verification(
        benchmark,
        comparisons.recogniser,
        n_images=len(np.unique(np.concatenate([pairs.first, pairs.second]))),
        n_mated=n_mated,
        n_non_mated=len(pairs) - n_mated,
        n_dropped=n_dropped,
        fmr=fmr,
        as_given=as_given,
        swapped=exchanged,
        only_as_given=int(np.count_nonzero(right & ~right_swapped)),
        only_swapped=int(np.count_nonzero(right_swapped & ~right)),
        p_swapped=_p_greater(margins_swapped - margins, _fold_codes(comparisons)),
    )


def _rates(comparisons: ComparisonScores, fmr: float) -> tuple[Rates, NDArray[np.bool_], NDArray[np.float64]]:
    """The rates; whether each pair is decided rightly at the threshold of its fold; its margin.

    The margin of a pair is its distance from the middle between the two means, positive on its right side.
    """
    accuracy = verification_accuracy(comparisons)
    mated, similarity = comparisons.pairs.mated, comparisons.similarity.astype(np.float64)
    right = (comparisons.similarity >= accuracy.thresholds[_fold_codes(comparisons)]) == mated
    threshold = threshold_at_fmr(comparisons.non_mated, fmr)
    curve = det(comparisons)
    kinds = (similarity[mated], similarity[~mated])
    high, low = (one.mean() for one in kinds)
    unit = np.sqrt(np.mean([one.var() for one in kinds]))
    if unit == 0:
        raise DataError(
            f"all pairs of a kind are equally similar by {comparisons.recogniser}: nothing to tell"
        )
    rates = Rates(
        accuracy.mean,
        float(accuracy.accuracies.std(ddof=1)),
        curve.equal_error_rate,
        fnmr_at(comparisons.mated, threshold),
        threshold,
        float((high - low) / unit),
    )
    return rates, right, np.where(mated, 1, -1) * (similarity - (high + low) / 2) / unit


def _fold_codes(comparisons: ComparisonScores) -> NDArray[np.int64]:
    folds = comparisons.pairs.folds
    assert folds is not None  # or there were no accuracy
    return np.unique(folds, return_inverse=True)[1].astype(np.int64)


def _p_greater(differences: NDArray[np.float64], folds: NDArray[np.int64]) -> float:
    """One-sided p of a mean above 0 over folds, by Student's t of their means."""
    means = np.bincount(folds, differences) / np.bincount(folds)
    error = means.std(ddof=1) / np.sqrt(len(means))
    return float(student.sf(means.mean() / error, len(means) - 1)) if error > 0 else float(means[0] <= 0)
