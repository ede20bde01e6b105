"""What quality scores meant on somebody's own comparisons; needs numpy alone to be applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import finite, first_few, same_length
from .errors import DataError


@dataclass(frozen=True, eq=False)
class OverScores:
    """Columns of one length over rising scores.

    Attributes:
        scores: (k,) rising, without repeats.
    """

    scores: NDArray[np.floating]

    def __post_init__(self) -> None:
        columns = {item.name: finite(item.name, getattr(self, item.name)) for item in fields(self)}
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        if not same_length(**columns) or np.any(np.diff(self.scores) <= 0):
            raise DataError(f"scores of a calibration must rise, got {first_few(self.scores) or 'none'}")

    def to_dict(self) -> dict[str, list[float]]:
        """Lists by name."""
        return {item.name: getattr(self, item.name).tolist() for item in fields(self)}


@dataclass(frozen=True, eq=False)
class FnmrGivenScore(OverScores):
    """Expected FNMR of a mated pair whose worse image has this score.

    Attributes:
        scores: (k,) of the worse image; straight lines between them, constant beyond the ends.
        fnmr: (k,) falling, inside (0, 1): no number of pairs without an error promises 0.
        low: (k,) lower end of the band.
        high: (k,) upper end.
    """

    fnmr: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]

    def expected(self, scores: ArrayLike) -> NDArray[np.float64]:
        """(n,) expected FNMR, inside (0, 1), of mated pairs whose worse image has these (n,) scores."""
        expected: NDArray[np.float64] = np.interp(_list(scores), self.scores, self.fnmr)
        return expected


@dataclass(frozen=True, eq=False)
class FnmrOfKept(OverScores):
    """What remains, and at which FNMR, when every image whose score lies below a threshold is discarded.

    Attributes:
        scores: (k,) thresholds; images of this score are kept.
        samples_kept: (k,) share of the samples.
        pairs_kept: (k,) share of the mated pairs.
        n_pairs: (k,) mated pairs kept, above 0.
        n_errors: (k,) of them rejected by the recogniser.
        fnmr: (k,) n_errors / n_pairs.
        low: (k,) lower end of the band.
        high: (k,) upper end.
        relative_low: (k,) lower end of the band of fnmr / fnmr with nothing discarded.
        relative_high: (k,) upper end.
        subjects_lost: (k,) subjects left without any sample.
        subjects_short: (k,) subjects who had `Calibration.min_samples` samples and have fewer left.
    """

    samples_kept: NDArray[np.floating]
    pairs_kept: NDArray[np.floating]
    n_pairs: NDArray[np.floating]
    n_errors: NDArray[np.floating]
    fnmr: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]
    relative_low: NDArray[np.floating]
    relative_high: NDArray[np.floating]
    subjects_lost: NDArray[np.floating]
    subjects_short: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class GroupKept(OverScores):
    """The same thresholds for one group: share of its samples kept, and its mated pairs."""

    samples_kept: NDArray[np.floating]
    n_pairs: NDArray[np.floating]
    n_errors: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Percentiles(OverScores):
    """Where a score stands among the reference samples.

    Attributes:
        scores: (k,) of reference samples.
        percent: (k,) share of the reference samples below, half of those equal counted, in [0, 100].
    """

    percent: NDArray[np.floating]

    @classmethod
    def of(cls, values: NDArray[np.floating], *, at: NDArray[np.floating]) -> Self:
        """Those of reference scores (m,), tabulated at rising scores (k,)."""
        ordered = np.sort(values)
        below, up_to = (np.searchsorted(ordered, at, side=side) for side in ("left", "right"))
        return cls(at, 50.0 * (below + up_to) / len(values))

    def percentile(self, scores: ArrayLike) -> NDArray[np.float64]:
        """(n,) per cent of the reference samples below these (n,) scores, half of those equal counted."""
        percent: NDArray[np.float64] = np.interp(
            _list(scores), self.scores, self.percent, left=0.0, right=100.0
        )
        return percent


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of one method, calibrated on comparisons by one recogniser.

    Attributes:
        method: Quality method.
        recogniser: Recogniser that made the comparisons.
        reference: Name of the set whose samples give the percentiles.
        fmr: Target FMR of the similarity threshold, or None where the threshold was given.
        threshold: Similarity at and above which a comparison is accepted.
        n_non_mated: Non-mated comparisons that fixed it.
        n_samples: Samples of the reference set.
        n_subjects: Their subjects.
        subjects_from: How the subjects are known.
        min_samples: Samples a subject should keep.
        confidence: Nominal coverage of the bands.
        replicates: Draws of subjects behind the bands.
        fnmr_given_score: For one image.
        fnmr_of_kept: For a threshold.
        percentiles: Where a score stands.
        groups: `fnmr_of_kept` in short for each group.
        warnings: What the data cannot carry.
    """

    method: str
    recogniser: str
    reference: str
    fmr: float | None
    threshold: float
    n_non_mated: int
    n_samples: int
    n_subjects: int
    subjects_from: str
    min_samples: int
    confidence: float
    replicates: int
    fnmr_given_score: FnmrGivenScore
    fnmr_of_kept: FnmrOfKept
    percentiles: Percentiles
    groups: Mapping[str, GroupKept] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def expected_fnmr(self, scores: ArrayLike) -> NDArray[np.float64]:
        """(n,) expected FNMR, inside (0, 1), of mated pairs whose worse image has these (n,) scores."""
        return self.fnmr_given_score.expected(scores)

    def percentile(self, scores: ArrayLike) -> NDArray[np.float64]:
        """(n,) per cent of the reference samples below these (n,) scores, half of those equal counted."""
        return self.percentiles.percentile(scores)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            **{item.name: getattr(self, item.name) for item in fields(self)},
            **{name: getattr(self, name).to_dict() for name in _TABLES},
            "groups": {name: group.to_dict() for name, group in self.groups.items()},
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; more keys are let through.

        Raises:
            DataError: If a key is missing or a table is malformed.
        """
        names = [item.name for item in fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise DataError(f"this is no calibration, it lacks {first_few(missing)}; run `fiqa calibrate`")
        try:
            tables = {name: table(**values[name]) for name, table in _TABLES.items()}
            groups = {name: GroupKept(**group) for name, group in values["groups"].items()}
        except (TypeError, AttributeError) as error:
            raise DataError(f"a table of the calibration is malformed: {error}") from error
        plain = {name: values[name] for name in names}
        return cls(**{**plain, **tables, "groups": groups, "warnings": tuple(plain["warnings"])})


def _list(scores: ArrayLike) -> NDArray[np.floating]:
    return finite("scores", np.atleast_1d(scores))


_TABLES: dict[str, type[OverScores]] = {
    "fnmr_given_score": FnmrGivenScore,
    "fnmr_of_kept": FnmrOfKept,
    "percentiles": Percentiles,
}
