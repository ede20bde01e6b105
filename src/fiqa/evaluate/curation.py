"""What a choice of samples does to verification error, and what it takes from whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import places_within
from ..core.errors import TooFewError
from ..core.types import ComparisonScores, SampleSet
from .caveats import FEWEST_ERRORS, Caveat, about_target
from .contact_sheet import ContactSheet
from .error_rates import fnmr_at, threshold_at_fmr
from .resample import Interval

_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class ErrorAt:
    """Verification error of some samples, at their own threshold.

    Attributes:
        n_samples: How many they are.
        n_mated: Mated comparisons among them.
        n_non_mated: Non-mated ones.
        threshold: Similarity at and above which comparisons are accepted, for the target FMR.
        fnmr: Share of the mated comparisons below it.
    """

    n_samples: int
    n_mated: int
    n_non_mated: int
    threshold: float
    fnmr: float


@dataclass(frozen=True)
class Proof:
    """Verification error before and after, and had as many been removed by chance.

    Attributes:
        recogniser: Whose comparisons.
        fmr: Target FMR.
        before: Of all samples.
        distinct: Of all but the near-duplicates that are dropped. These make easy mated pairs, so the FNMR
            rises without them, and what quality does is to be read from here on.
        curated: Of what stays.
        random: FNMR of random choices, their mean and where 95 % of them lie. Each is as large as what stays,
            drawn from `distinct`, and takes as many of each subject.
        draws: How many.
        p_value: Chance of a random choice with as low an FNMR as the curated one, or lower: at least
            1 / (draws + 1).
        caveats: What the numbers cannot carry.
    """

    recogniser: str
    fmr: float
    before: ErrorAt
    distinct: ErrorAt
    curated: ErrorAt
    random: Interval
    draws: int
    p_value: float
    caveats: tuple[Caveat, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def error_at(comparisons: ComparisonScores, chosen: NDArray[np.bool_], *, fmr: float) -> ErrorAt:
    """Verification error of the comparisons both of whose samples are chosen.

    Args:
        comparisons: Over any vocabulary.
        chosen: (n,) which samples of the vocabulary.
        fmr: Target FMR in (0, 1).

    Raises:
        TooFewError: If no mated or no non-mated comparison is left.
    """
    pairs = comparisons.pairs
    both = chosen[pairs.first] & chosen[pairs.second]
    mated, non_mated = (comparisons.similarity[both & one] for one in (pairs.mated, ~pairs.mated))
    if not mated.size or not non_mated.size:
        raise TooFewError(
            f"{mated.size} mated and {non_mated.size} non-mated comparisons are left among "
            f"{np.count_nonzero(chosen)} samples: an FNMR at an FMR needs some of both"
        )
    threshold = threshold_at_fmr(non_mated, fmr)
    counts = int(np.count_nonzero(chosen)), mated.size, non_mated.size
    return ErrorAt(*counts, threshold, fnmr_at(mated, threshold))


def prove(
    comparisons: ComparisonScores,
    samples: SampleSet,
    *,
    distinct: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    fmr: float,
    draws: int,
    rng: np.random.Generator,
) -> Proof:
    """Compare a choice by quality with random ones of equal size.

    Args:
        comparisons: Over the samples, in their order.
        samples: (n,) samples and their subjects.
        distinct: (n,) what stays without near-duplicates.
        kept: (n,) what stays in the end, a part of that.
        fmr: Target FMR in (0, 1).
        draws: Random choices to make, 1 or more.
        rng: Source of the draws.

    Raises:
        TooFewError: If a choice leaves no mated or no non-mated comparison.
    """
    codes = samples.subject_codes()
    counts = np.bincount(codes[kept], minlength=codes.max() + 1)
    pool = np.flatnonzero(distinct)
    rates = []
    for _ in range(draws):
        order = pool[np.lexsort((rng.random(len(pool)), codes[pool]))]
        chosen = np.zeros(len(samples), np.bool_)
        chosen[order[places_within(codes[order]) < counts[codes[order]]]] = True
        rates.append(error_at(comparisons, chosen, fmr=fmr).fnmr)
    drawn = np.array(rates)
    before, without, curated = (
        error_at(comparisons, chosen, fmr=fmr) for chosen in (np.ones_like(kept), distinct, kept)
    )
    low, high = np.quantile(drawn, _TAILS)
    caveats = about_target(fmr, curated.n_non_mated)
    errors = round(without.fnmr * without.n_mated)
    if errors < FEWEST_ERRORS:
        message = f"{errors} of {without.n_mated} mated comparisons fail before, fewer than {FEWEST_ERRORS}"
        caveats.append(Caveat("few_errors", f"{message}: what is left of them is mostly chance"))
    return Proof(
        comparisons.recogniser,
        fmr,
        before,
        without,
        curated,
        Interval(float(drawn.mean()), float(low), float(high), _TAILS[1] - _TAILS[0]),
        draws,
        float((1 + np.count_nonzero(drawn <= curated.fnmr)) / (1 + draws)),
        tuple(caveats),
    )


@dataclass(frozen=True, eq=False)
class Summary:
    """All that the page on a curation says.

    Attributes:
        counts: Images by decision, and other counts, by name.
        threshold: Scores below it are of low quality.
        method: What scored.
        proof: The proof, or why there is none.
        subjects: What each subject loses, those that lose most first.
        groups: The same of groups.
        sheets: Faces to look at.
        settings: Of the stage.
    """

    counts: dict[str, int]
    threshold: float
    method: str
    proof: Proof | str
    subjects: Sequence[Loss]
    groups: Sequence[Loss]
    sheets: Sequence[ContactSheet]
    settings: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; subjects are in a table of their own."""
        shares = np.array([one.share for one in self.subjects])
        return {
            "method": self.method,
            "counts": self.counts,
            "threshold": self.threshold,
            "proof": self.proof if isinstance(self.proof, str) else self.proof.to_dict(),
            "subjects": {
                "n": len(self.subjects),
                "n_losing": int(np.count_nonzero(shares)),
                "mean_share": float(shares.mean()),
                "largest_share": float(shares.max()),
            },
            "groups": [asdict(one) for one in self.groups],
        }


@dataclass(frozen=True)
class Loss:
    """What one subject or group loses.

    Attributes:
        name: Its name.
        n_samples: Its images.
        n_dropped: Those dropped.
        n_flagged: Those flagged.
        share: Dropped ones among its images, in [0, 1].
        mean_score: Mean quality of its images.
        fnmr_before: FNMR of the mated comparisons within it, near-duplicates aside; None without any.
        fnmr_after: The same of what stays.
    """

    name: str
    n_samples: int
    n_dropped: int
    n_flagged: int
    share: float
    mean_score: float
    fnmr_before: float | None = None
    fnmr_after: float | None = None


def losses(
    names: NDArray[np.str_],
    scores: NDArray[np.floating],
    *,
    dropped: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
) -> list[Loss]:
    """What each name loses, those that lose the largest share first (then by name).

    Args:
        names: (n,) subject or group of each sample; an empty name is none.
        scores: (n,) quality.
        dropped: (n,) which samples go.
        flagged: (n,) which are flagged.
    """
    known, codes = np.unique(names, return_inverse=True)
    sizes, gone, kept_on, total = (
        np.bincount(codes, weights) for weights in (None, dropped, flagged, scores)
    )
    rows = [
        Loss(name, int(n), int(out), int(flag), float(out / n), float(sum_ / n))
        for name, n, out, flag, sum_ in zip(known.tolist(), sizes, gone, kept_on, total, strict=True)
        if name
    ]
    return sorted(rows, key=lambda row: (-row.share, row.name))


def fnmr_within(
    comparisons: ComparisonScores, members: NDArray[np.bool_], *, threshold: float
) -> float | None:
    """FNMR of the mated comparisons both of whose samples are members (n,); None without any."""
    pairs = comparisons.pairs
    both = pairs.mated & members[pairs.first] & members[pairs.second]
    return fnmr_at(comparisons.similarity[both], threshold) if both.any() else None
