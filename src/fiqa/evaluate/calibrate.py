"""From scores to error rates, on one's own comparisons.

Two questions have two answers. How likely is a false non-match when the worse image of a mated pair has
score s? That is FNMR given pair quality, fitted as a falling function; half an error and half a match are
added to each of its steps, since no error among few pairs does not promise that there will be none. Which
FNMR remains when every image below s is discarded? That is the FNMR of the pairs kept, counted. Both are
rates at one similarity threshold, which is held: the bands tell what other subjects would change, not what
another threshold would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.sparse import csr_array
from scipy.stats import beta

from ..core.arrays import from_top, positions
from ..core.calibration import Calibration, FnmrGivenScore, FnmrOfKept, GroupKept, Percentiles
from ..core.errors import DataError, SettingsError
from ..core.types import ComparisonScores, QualityScores, SampleSet
from .caveats import caveats
from .edc import discard_order
from .resample import PairSubjects
from .subjects import KnownSubjects

N_SCORES = 1001


@dataclass(frozen=True)
class CalibrationSettings:
    """How to calibrate.

    Attributes:
        fmr: Target FMR of the similarity threshold, in (0, 1).
        threshold: Similarity threshold to use instead.
        min_samples: Samples a subject should keep, at least 1.
        replicates: Draws of subjects for the bands, at least 1.
        confidence: Nominal coverage of the bands, in (0, 1).
        seed: Seed of the draws.
    """

    fmr: float = 1e-3
    threshold: float | None = None
    min_samples: int = 2
    replicates: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < 1 or self.min_samples < 1 or not 0.0 < self.confidence < 1.0:
            raise SettingsError(
                "a calibration needs replicates and min_samples of 1 or more and a confidence inside (0, 1), "
                f"got {self.replicates}, {self.min_samples} and {self.confidence}"
            )


def calibrate(
    comparisons: ComparisonScores,
    quality: QualityScores,
    *,
    subjects: KnownSubjects,
    reference: str,
    groups: NDArray[np.str_] | None = None,
    settings: CalibrationSettings,
) -> Calibration:
    """Fit both error rates over the scores, with bands from a bootstrap over subjects.

    Pair quality is the score of the worse image. Rates are tabulated at the scores that occur, or at 1001
    quantiles of them where more occur: a pair between two of these then counts at the lower one. Each band
    is the wider of a percentile interval over drawn subjects and the exact binomial interval of the pairs it
    rests on, which alone is honest where errors are few.

    Args:
        comparisons: Mated comparisons, and non-mated ones unless a threshold is given.
        quality: Score of every compared sample; all samples here are the reference of the percentiles.
        subjects: Subject of every sample of `quality`.
        reference: Name of the reference set.
        groups: (n,) group of each sample of `quality`, empty where unknown, or None. A pair counts for a
            group if both of its samples belong to it.
        settings: How to calibrate.

    Raises:
        DataError: As `edc.edc`, or if no mated comparison is an error: then there is nothing to calibrate.

    Source: Barlow et al., "Statistical Inference under Order Restrictions", 1972 (isotonic regression);
    Clopper and Pearson, Biometrika 1934, doi 10.1093/biomet/26.4.404; Brown, Cai and DasGupta, Statistical
    Science 2001, doi 10.1214/ss/1009213286 (Jeffreys' prior: half an error, half a match).
    """
    order = discard_order(comparisons, quality, fmr=settings.fmr, threshold=settings.threshold)
    curve = order.curve()
    if not curve.n_errors[0]:
        raise DataError(
            f"none of {curve.n_kept[0]} mated comparisons is an error at threshold {curve.threshold:.4g}: "
            "there is nothing to calibrate; use harder comparisons or a lower FMR"
        )
    scores = _tabulated(quality.values)
    pairs = comparisons.pairs
    values = np.zeros(len(pairs.sample_ids))
    values[order.images] = quality.at(pairs.sample_ids[order.images])
    worse = np.minimum(values[pairs.first], values[pairs.second])[pairs.mated]
    known = PairSubjects.of(order, subjects.samples)
    counts = _Counts.of(
        known.first[pairs.mated],
        np.searchsorted(scores, worse, side="right") - 1,
        comparisons.mated < curve.threshold,
        shape=(known.count, len(scores)),
    )
    given, kept = _bands(scores, counts, settings)
    samples = subjects.samples.at(quality.sample_ids)
    fmr = settings.fmr if settings.threshold is None else None
    return Calibration(
        method=quality.method,
        recogniser=comparisons.recogniser,
        reference=reference,
        fmr=fmr,
        threshold=curve.threshold,
        n_non_mated=len(comparisons.non_mated),
        n_samples=len(quality),
        n_subjects=len(np.unique(samples.subject_ids)),
        subjects_from=subjects.source,
        min_samples=settings.min_samples,
        confidence=settings.confidence,
        replicates=settings.replicates,
        fnmr_given_score=given,
        fnmr_of_kept=FnmrOfKept(**kept, **_losses(kept["scores"], quality, samples, settings.min_samples)),
        percentiles=Percentiles.of(quality.values, at=scores),
        groups={}
        if groups is None
        else _by_group(kept["scores"], comparisons, quality, groups, curve.threshold),
        warnings=tuple(caveat.message for caveat in caveats(curve, comparisons, fmr=fmr)),
    )


def binomial_interval(
    errors: ArrayLike, trials: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact (Clopper-Pearson) interval of a rate, from counts of errors among trials above 0."""
    k, n = np.asarray(errors, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = (1.0 - confidence) / 2
    low = np.where(k > 0, beta.ppf(tail, np.maximum(k, 1), n - k + 1), 0.0)
    high = np.where(k < n, beta.ppf(1.0 - tail, k + 1, np.maximum(n - k, 1)), 1.0)
    return low, high


@dataclass(frozen=True, eq=False)
class _Counts:
    """Mated pairs and errors among them, of each subject at each tabulated score."""

    pairs: csr_array
    errors: csr_array

    @classmethod
    def of(
        cls,
        subject: NDArray[np.int64],
        place: NDArray[np.intp],
        wrong: NDArray[np.bool_],
        *,
        shape: tuple[int, int],
    ) -> _Counts:
        """Count pairs by subject and place, and those that are wrong."""
        return cls(
            csr_array((np.ones(len(wrong)), (subject, place)), shape=shape),
            csr_array((wrong.astype(np.float64), (subject, place)), shape=shape),
        )

    def times(self, often: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(pairs, errors) at each score when each subject counts so often."""
        return self.pairs.T @ often, self.errors.T @ often


def _bands(
    scores: NDArray[np.floating], counts: _Counts, settings: CalibrationSettings
) -> tuple[FnmrGivenScore, dict[str, NDArray[np.floating]]]:
    """Both curves with their bands; of the second the columns that concern pairs."""
    n, e = counts.times(np.ones(counts.pairs.shape[0], dtype=np.int64))
    met = n > 0
    given, kept = _draws(scores, counts, met, settings)
    _, block = _falling(e[met], n[met])
    errors, pairs = (np.bincount(block, column[met]) for column in (e, n))
    fnmr = isotonic_regression((errors + 0.5) / (pairs + 1), weights=pairs + 1, increasing=False).x[block]
    level = settings.confidence
    low, high = binomial_interval(errors, pairs, confidence=level)
    band = _wider(given, (np.minimum(low[block], fnmr), np.maximum(high[block], fnmr)), level)
    usable = 2 * np.isfinite(kept).sum(axis=0) >= settings.replicates
    kept, n, e = kept[:, usable], from_top(n)[usable], from_top(e)[usable]
    share = n / n[0]
    low, high = _wider(kept, binomial_interval(e, n, confidence=level), level)
    among = binomial_interval(e, np.full(len(e), e[0]), confidence=level)
    relative = _wider(kept / kept[:, :1], (among[0] / share, among[1] / share), level)
    return FnmrGivenScore(scores[met], fnmr, *band), {
        "scores": scores[usable],
        "pairs_kept": share,
        "n_pairs": n,
        "n_errors": e,
        "fnmr": e / n,
        "low": low,
        "high": high,
        "relative_low": relative[0],
        "relative_high": relative[1],
    }


def _draws(
    scores: NDArray[np.floating], counts: _Counts, met: NDArray[np.bool_], settings: CalibrationSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both rates on drawn subjects: (r, scores met), and (r, all scores) with NaN where no pair is left.

    Draws without any error are left out.
    """
    rng = np.random.default_rng(settings.seed)
    n_subjects = counts.pairs.shape[0]
    given, kept = [], []
    for _ in range(settings.replicates):
        drawn = rng.integers(0, n_subjects, n_subjects)
        n, e = counts.times(np.bincount(drawn, minlength=n_subjects))
        if e.any():
            there, left = n > 0, from_top(n)
            falling, _ = _falling(e[there], n[there])
            given.append(np.interp(scores[met], scores[there], falling))
            kept.append(np.divide(from_top(e), left, out=np.full(len(e), np.nan), where=left > 0))
    if 2 * len(kept) < settings.replicates:
        raise DataError(
            f"{settings.replicates - len(kept)} of {settings.replicates} draws of {n_subjects} subjects hold "
            "no error: too few subjects or errors for a band"
        )
    return np.array(given), np.array(kept)


def _falling(
    errors: NDArray[np.float64], pairs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The falling rates nearest to errors / pairs, and the number of the block that each belongs to."""
    fit = isotonic_regression(errors / pairs, weights=pairs, increasing=False)
    return fit.x, np.repeat(np.arange(len(fit.blocks) - 1), np.diff(fit.blocks))


def _wider(
    drawn: NDArray[np.float64],
    exact: tuple[NDArray[np.float64], NDArray[np.float64]],
    confidence: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The band that holds the percentile interval of the draws and the exact one."""
    tail = (1.0 - confidence) / 2
    low, high = np.nanquantile(drawn, [tail, 1.0 - tail], axis=0)
    return np.minimum(low, exact[0]), np.maximum(high, exact[1])


def _tabulated(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The distinct scores, or quantiles of the samples where there are more than `N_SCORES`."""
    distinct = np.unique(values)
    if len(distinct) <= N_SCORES:
        return distinct
    return np.unique(np.quantile(values, np.linspace(0, 1, N_SCORES), method="lower"))


def _losses(
    scores: NDArray[np.floating], quality: QualityScores, samples: SampleSet, min_samples: int
) -> dict[str, NDArray[Any]]:
    """Share of samples kept, and subjects that lose all or too many, at each threshold."""
    codes = samples.subject_codes()
    order = np.lexsort((-quality.values, codes))
    ends = np.cumsum(np.bincount(codes))
    starts = np.concatenate([[0], ends[:-1]])
    best, enough = starts, starts + min_samples - 1
    ranked = quality.values[order]
    return {
        "samples_kept": 1.0 - _below(quality.values, scores) / len(quality),
        "subjects_lost": _below(ranked[best], scores),
        "subjects_short": _below(ranked[enough[enough < ends]], scores),
    }


def _below(values: NDArray[np.floating], scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """How many values lie below each score."""
    return np.searchsorted(np.sort(values), scores, side="left")


def _by_group(
    scores: NDArray[np.floating],
    comparisons: ComparisonScores,
    quality: QualityScores,
    groups: NDArray[np.str_],
    threshold: float,
) -> Mapping[str, GroupKept]:
    """The thresholds for each group; a mated pair counts where both samples belong."""
    pairs = comparisons.pairs.rows(comparisons.pairs.mated)
    used, index = np.unique(np.stack([pairs.first, pairs.second]), return_inverse=True)
    first, second = positions(pairs.sample_ids[used], quality.sample_ids, what="quality scores")[index]
    worse = np.minimum(quality.values[first], quality.values[second])
    wrong = comparisons.mated < threshold
    found = {}
    for name in np.unique(groups[groups != ""]).tolist():
        members = groups == name
        within = members[first] & members[second]
        found[name] = GroupKept(
            scores,
            1.0 - _below(quality.values[members], scores) / members.sum(),
            within.sum() - _below(worse[within], scores),
            (within & wrong).sum() - _below(worse[within & wrong], scores),
        )
    return found
