"""Error-versus-discard characteristic: the error rate that remains when the worst samples are left out.

A quality measure is good when the pairs it would discard first are the ones a recogniser gets wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import finite, first_few, from_top, frozen, same_length, whole
from ..core.errors import DataError, SettingsError
from ..core.types import ComparisonScores, QualityScores
from .conventions import ISO, Convention
from .error_rates import threshold_at_fmr

ErrorKind = Literal["fnmr", "fmr"]
Rows = slice | NDArray[np.integer]
_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class EdcCurve:
    """An error-versus-discard characteristic.

    Attributes:
        discard_fraction: (k,) rising from 0, below 1 or at most 1: share of units (pairs or images, see the
            convention) left out, lowest quality first.
        error_rate: (k,) in [0, 1]: share of errors among the counted comparisons that remain.
        n_errors: (k,) errors that remain.
        n_kept: (k,) counted comparisons that remain, above 0; the curve ends before none is left, but for the
            closing point of a convention that has one.
        thresholds: (k,) threshold in force at each point; accept when similarity >= threshold.
        n_units: How many pairs or images the fraction refers to.
        error: ``"fnmr"`` or ``"fmr"``.
        convention: How the curve was drawn.
        method: Name of the quality method.
        recogniser: Name of the recogniser that made the comparisons.
    """

    discard_fraction: NDArray[np.floating]
    error_rate: NDArray[np.floating]
    n_errors: NDArray[np.integer]
    n_kept: NDArray[np.integer]
    thresholds: NDArray[np.floating]
    n_units: int
    error: ErrorKind
    convention: Convention
    method: str
    recogniser: str

    def __post_init__(self) -> None:
        columns = {name: getattr(self, name) for name in ("discard_fraction", "error_rate", "thresholds")}
        for name, column in columns.items():
            object.__setattr__(self, name, finite(name, column))
        counts = {name: np.asarray(getattr(self, name)) for name in ("n_errors", "n_kept")}
        for name, column in counts.items():
            object.__setattr__(self, name, frozen(column))
        if not same_length(**columns, **counts):
            raise DataError("a curve needs at least one point")
        x, y = self.discard_fraction, self.error_rate
        if x[0] != 0 or np.any(np.diff(x) <= 0) or x[-1] > 1:
            raise DataError(f"discard fractions must rise from 0 to at most 1, got {first_few(x)}")
        if np.any((y < 0) | (y > 1)):
            raise DataError(f"error rates must lie in [0, 1], got {first_few(y[(y < 0) | (y > 1)])}")

    @property
    def threshold(self) -> float:
        """Threshold with nothing discarded."""
        return float(self.thresholds[0])

    @property
    def error_at_zero(self) -> float:
        """Error rate with nothing discarded."""
        return float(self.error_rate[0])

    def at(self, fraction: float) -> float:
        """Error rate at a discard fraction in [0, 1], read between the points as the convention says."""
        if not 0.0 <= fraction <= 1.0:
            raise SettingsError(f"a discard fraction lies in [0, 1], got {fraction}")
        if self.convention.area == "trapezoid":
            return float(np.interp(fraction, self.discard_fraction, self.error_rate))
        return float(self.error_rate[np.searchsorted(self.discard_fraction, fraction, side="right") - 1])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "method": self.method,
            "recogniser": self.recogniser,
            "error_kind": self.error,
            "convention": self.convention.to_dict(),
            "threshold": self.threshold,
            f"{self.error}0": self.error_at_zero,
            "discard": self.discard_fraction.tolist(),
            "error": self.error_rate.tolist(),
            "n_errors": self.n_errors.tolist(),
            "n_kept": self.n_kept.tolist(),
        }


@dataclass(frozen=True, eq=False)
class DiscardOrder:
    """In which order comparisons leave, and how to tell which of them are errors.

    Units (pairs or images) that leave at once form a group; groups are numbered from the lowest quality.
    All counting is over groups, so that drawing a curve takes time linear in the comparisons, and drawing
    it again for resampled comparisons takes no sorting.

    Attributes:
        comparisons: All comparisons, m of them.
        group: (m,) group of each comparison.
        images: (i,) index into the sample ids of each image that takes part.
        image_group: (i,) group of each of these images.
        n_groups: Number of groups.
        fmr: Target FMR of the threshold.
        given_threshold: Threshold given by the caller, or None where it follows from `fmr`.
        error: Which error rate is drawn.
        convention: How the curve is drawn.
        method: Name of the quality method.
    """

    comparisons: ComparisonScores
    group: NDArray[np.integer]
    images: NDArray[np.integer]
    image_group: NDArray[np.integer]
    n_groups: int
    fmr: float
    given_threshold: float | None
    error: ErrorKind
    convention: Convention
    method: str

    def curve(self, rows: Rows = _ALL, images: Rows = _ALL) -> EdcCurve:
        """Draw the characteristic.

        Args:
            rows: Comparisons that take part; a row that is repeated counts as often.
            images: Rows of `images` that take part, where images are the units.

        Raises:
            DataError: If no counted comparison takes part, or no non-mated one where a threshold is sought.
        """
        similarity, group = self.comparisons.similarity[rows], self.group[rows]
        mated = self.comparisons.pairs.mated[rows]
        counted = mated if self.error == "fnmr" else ~mated
        if not counted.any():
            kind = "mated" if self.error == "fnmr" else "non-mated"
            raise DataError(f"no {kind} comparison: the {self.error.upper()} is undefined")
        own = _Scores(similarity[counted], group[counted])
        other = _Scores(similarity[~counted], group[~counted])
        units = self._units(group, counted, images)
        cuts, fractions = _cuts(np.bincount(units, minlength=self.n_groups), self.convention)
        kept = _remaining(own.group, self.n_groups)[cuts]
        cuts, fractions, kept = cuts[kept > 0], fractions[kept > 0], kept[kept > 0]
        if self.convention.threshold == "fixed":
            threshold = self._threshold(own, other)
            wrong = own.group[self._is_error(own.similarity, threshold)]
            thresholds, errors = np.full(len(cuts), threshold), _remaining(wrong, self.n_groups)[cuts]
        else:
            thresholds, errors = self._rederived(own, other, cuts)
            cuts, fractions, kept = cuts[: len(errors)], fractions[: len(errors)], kept[: len(errors)]
        end = [1] if self.convention.closed and fractions[-1] < 1 else []
        return EdcCurve(
            discard_fraction=np.append(fractions, end),
            error_rate=np.append(errors / kept, np.zeros(len(end))),
            n_errors=np.append(errors, np.zeros_like(errors, shape=len(end))),
            n_kept=np.append(kept, np.zeros_like(kept, shape=len(end))),
            thresholds=np.append(thresholds, thresholds[len(thresholds) - len(end) :]),
            n_units=units.size,
            error=self.error,
            convention=self.convention,
            method=self.method,
            recogniser=self.comparisons.recogniser,
        )

    def _units(
        self, group: NDArray[np.integer], counted: NDArray[np.bool_], images: Rows
    ) -> NDArray[np.integer]:
        """Group of each unit that can leave."""
        if self.convention.discard == "images":
            return self.image_group[images]
        return group[counted] if self.convention.population == "counted" else group

    def _threshold(self, own: _Scores, other: _Scores) -> float:
        if self.given_threshold is not None:
            return self.given_threshold
        mated, non_mated = (own, other) if self.error == "fnmr" else (other, own)
        return threshold_at_fmr(
            non_mated.similarity, self.fmr, rule=self.convention.rule, mated=mated.similarity
        )

    def _rederived(
        self, own: _Scores, other: _Scores, cuts: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Threshold and errors at each cut, up to the first at which too few other comparisons remain."""
        thresholds: list[float] = []
        errors: list[int] = []
        stays = self.convention.population == "counted" and self.convention.discard == "pairs"
        for cut in cuts:
            own_kept, other_kept = own.from_group(cut), other if stays else other.from_group(cut)
            if thresholds and not self._finds_threshold(own_kept, other_kept):
                break
            thresholds.append(self._threshold(own_kept, other_kept))
            errors.append(int(np.count_nonzero(self._is_error(own_kept.similarity, thresholds[-1]))))
        return np.array(thresholds), np.array(errors)

    def _finds_threshold(self, own: _Scores, other: _Scores) -> bool:
        """Whether the rule goes on; that by index divides by ten step by step and stops once it is at 0."""
        n_non_mated = (other if self.error == "fnmr" else own).group.size
        if self.convention.rule == "index":
            return bool(whole(10 * self.fmr * (n_non_mated - 1)) >= 1) if n_non_mated else False
        return other.group.size > 0

    def _is_error(self, similarity: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
        return similarity < threshold if self.error == "fnmr" else similarity >= threshold


class _Scores(NamedTuple):
    """Comparisons of one kind: similarity and group of each."""

    similarity: NDArray[np.floating]
    group: NDArray[np.integer]

    def from_group(self, cut: int) -> _Scores:
        kept = self.group >= cut
        return _Scores(self.similarity[kept], self.group[kept])


def edc(
    comparisons: ComparisonScores,
    quality: QualityScores,
    *,
    convention: Convention = ISO,
    fmr: float = 1e-3,
    threshold: float | None = None,
    error: ErrorKind = "fnmr",
) -> EdcCurve:
    """Error-versus-discard characteristic of one quality method on one recogniser's comparisons.

    By the default convention, at the threshold t that belongs to the target FMR with nothing discarded, the
    curve gives for every distinct pair quality q the share of mated comparisons with similarity < t among
    those of quality >= q, against the share of mated pairs of quality < q.

    Args:
        comparisons: Mated comparisons, and non-mated ones unless a threshold is given.
        quality: Score of every sample that is compared.
        convention: How to draw, see `conventions.Convention`.
        fmr: Target FMR of the threshold, in (0, 1).
        threshold: Used instead of one found from `fmr`; needs a convention that holds it fixed.
        error: ``"fnmr"``, or ``"fmr"`` for the share of non-mated comparisons accepted.

    Raises:
        DataError: If comparisons of a needed kind are absent, a pair occurs twice, a compared sample has no
            quality score, or all scores or all similarities are equal.
        SettingsError: If a threshold is given to a convention that re-derives it.

    Source: Grother and Tabassi, "Performance of biometric quality measures", TPAMI 2007,
    doi 10.1109/TPAMI.2007.1019; Schlett et al. 2023, arXiv 2303.13294; ISO/IEC 29794-1:2024, clause 11.
    """
    return discard_order(
        comparisons, quality, convention=convention, fmr=fmr, threshold=threshold, error=error
    ).curve()


def discard_order(
    comparisons: ComparisonScores,
    quality: QualityScores,
    *,
    convention: Convention = ISO,
    fmr: float = 1e-3,
    threshold: float | None = None,
    error: ErrorKind = "fnmr",
) -> DiscardOrder:
    """Check the data and put the comparisons in order once, for drawing curves from them many times.

    Arguments and errors are those of `edc`.
    """
    if threshold is not None and (convention.threshold == "rederived" or not np.isfinite(threshold)):
        raise SettingsError(
            f"a given threshold must be finite and the convention hold it fixed, "
            f"got {threshold} with {convention.name}"
        )
    _refuse_unusable(comparisons, quality)
    pairs = comparisons.pairs
    images = np.flatnonzero(np.bincount(np.concatenate([pairs.first, pairs.second])))
    values = quality.at(pairs.sample_ids[images])
    rows = np.zeros(len(pairs.sample_ids), dtype=np.intp)
    rows[images] = np.arange(len(images))
    first, second = rows[pairs.first], rows[pairs.second]
    image_group = _groups(values, convention.ties)
    if convention.discard == "images":
        group = np.minimum(image_group[first], image_group[second])
    else:
        group = _pair_groups(values, first, second, convention)
    return DiscardOrder(
        comparisons=comparisons,
        group=group,
        images=images,
        image_group=image_group,
        n_groups=int(max(group.max(), image_group.max())) + 1,
        fmr=fmr,
        given_threshold=None if threshold is None else float(threshold),
        error=error,
        convention=convention,
        method=quality.method,
    )


def _refuse_unusable(comparisons: ComparisonScores, quality: QualityScores) -> None:
    if not len(comparisons):
        raise DataError("there are no comparisons")
    for what, values in (
        (f"quality scores of {quality.method}", quality.values),
        (f"similarities of {comparisons.recogniser}", comparisons.similarity),
    ):
        if len(values) > 1 and values.min() == values.max():
            raise DataError(f"all {len(values)} {what} equal {values[0]:g}: they order nothing")
    pairs = comparisons.pairs
    keys = pairs.first.astype(np.int64) * len(pairs.sample_ids) + pairs.second
    keys.sort()
    twice = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if twice.size:
        first, second = np.divmod(twice, len(pairs.sample_ids))
        listing = np.char.add(np.char.add(pairs.sample_ids[first], " with "), pairs.sample_ids[second])
        raise DataError(
            f"{twice.size} pairs are compared more than once: {first_few(listing)}; keep one row of each"
        )


def _pair_groups(
    values: NDArray[np.floating], first: NDArray[np.intp], second: NDArray[np.intp], convention: Convention
) -> NDArray[np.intp]:
    """Group of each pair by its pair quality; ranks stand for values where only their order matters."""
    if convention.pair_quality in ("min", "max"):
        pick = np.minimum if convention.pair_quality == "min" else np.maximum
        ranks = _groups(values, "together")
        pair = pick(ranks[first], ranks[second])
        return pair if convention.ties == "together" else _groups(pair, "in_order")
    combine = np.add if convention.pair_quality == "mean" else np.multiply
    return _groups(combine(values[first], values[second]), convention.ties)


def _groups(values: NDArray[np.generic], ties: str) -> NDArray[np.intp]:
    """Number of each value in rising order: equal values share one, or follow each other as they stand."""
    if ties == "together":
        shared: NDArray[np.intp] = np.unique(values, return_inverse=True)[1]
        return shared
    groups = np.empty(len(values), dtype=np.intp)
    groups[np.argsort(values, kind="stable")] = np.arange(len(values))
    return groups


def _cuts(
    leaving: NDArray[np.integer], convention: Convention
) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """First group that stays, and discard fraction, at each point; a fraction never splits a group."""
    before = np.concatenate([[0], np.cumsum(leaving)])
    if convention.grid is None:
        cuts = np.flatnonzero(leaving)
        return cuts, before[cuts] / before[-1]
    fractions = convention.grid * np.arange(int(whole(convention.limit / convention.grid)) + 1)
    cuts = np.searchsorted(before, whole(fractions * before[-1]), side="right") - 1
    return cuts, fractions


def _remaining(group: NDArray[np.integer], n_groups: int) -> NDArray[np.int64]:
    """How many belong to each group or a higher one; the last entry, beyond all groups, is 0."""
    return from_top(np.bincount(group, minlength=n_groups + 1))
