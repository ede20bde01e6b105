"""How well a recogniser tells people apart on a protocol, and whether its colours are the right way round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from ..core.errors import DataError
from ..core.types import ComparisonScores
from .error_rates import det, fnmr_at, threshold_at_fmr, verification_accuracy

CHANCE = 0.05
"""Largest probability under chance at which a better accuracy with exchanged colours is a warning."""


@dataclass(frozen=True)
class Rates:
    """What one set of comparisons gives.

    Attributes:
        accuracy: Mean over the folds of the protocol, in [0, 1]; each threshold comes from the other folds.
        accuracy_std: Standard deviation over the folds (n - 1).
        equal_error_rate: Where FMR = FNMR.
        fnmr: FNMR at the target FMR.
        threshold: Similarity at and above which comparisons are accepted there.
    """

    accuracy: float
    accuracy_std: float
    equal_error_rate: float
    fnmr: float
    threshold: float


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
        p_swapped: Probability that as many more pairs, or yet more, are right by exchanging alone if it
            made no difference: the one-sided exact test of McNemar over pairs that are right in one way only.
            Pairs that share images make it somewhat too small.
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
    p_swapped: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the numbers say against the crops or the contract."""
        if self.p_swapped > CHANCE:
            return ()
        return (
            f"{self.recogniser} on {self.benchmark}: exchanging red and blue raises the accuracy from "
            f"{self.as_given.accuracy:.2%} to {self.swapped.accuracy:.2%} (p = {self.p_swapped:.1g}): "
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
        DataError: If the pairs differ or have no folds, or comparisons of a kind are absent.
    """
    pairs = comparisons.pairs
    if not (np.array_equal(pairs.first, swapped.pairs.first) and len(pairs) == len(swapped)):
        raise DataError("a verification compares the same pairs twice, got different ones")
    (as_given, right), (exchanged, right_swapped) = (_rates(one, fmr) for one in (comparisons, swapped))
    gained = int(np.count_nonzero(right_swapped & ~right))
    lost = int(np.count_nonzero(right & ~right_swapped))
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
        p_swapped=float(binom.sf(gained - 1, gained + lost, 0.5)),
    )


def _rates(comparisons: ComparisonScores, fmr: float) -> tuple[Rates, NDArray[np.bool_]]:
    """The rates, and whether each pair is decided rightly at the threshold of its fold."""
    accuracy = verification_accuracy(comparisons)
    pairs = comparisons.pairs
    assert pairs.folds is not None  # or there were no accuracy
    folds = np.unique(pairs.folds, return_inverse=True)[1]
    right = (comparisons.similarity >= accuracy.thresholds[folds]) == pairs.mated
    threshold = threshold_at_fmr(comparisons.non_mated, fmr)
    rates = Rates(
        accuracy.mean,
        float(accuracy.accuracies.std(ddof=1)),
        det(comparisons).equal_error_rate,
        fnmr_at(comparisons.mated, threshold),
        threshold,
    )
    return rates, right
