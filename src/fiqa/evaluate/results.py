"""What an evaluation found, gathered for tables, figures and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.types import Failure
from .agreement import Agreement, RankStability, rank_stability
from .caveats import Caveat
from .contact_sheet import ContactSheet
from .edc import EdcCurve
from .error_rates import DetCurve, VerificationAccuracy
from .label_shift import LabelShift
from .pauc import Measure, areas
from .resample import Difference, Interval
from .verification import Verification

RAW = "raw score"
ON_BASE = "regressor, base labels"
ON_OPTIMISED = "regressor, optimised labels"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One source of quality scores on one test bed.

    Attributes:
        method: Quality method behind the scores or the labels, such as ``"sdd_fiqa"``.
        variant: How the scores came from it: `RAW`, `ON_BASE`, `ON_OPTIMISED`, or another phrase.
        curve: Its error-versus-discard characteristic.
        intervals: Areas with their uncertainty, where it was computed.
        caveats: What the data cannot carry.
    """

    method: str
    variant: str
    curve: EdcCurve
    intervals: Mapping[Measure, Interval] = field(default_factory=dict)
    caveats: tuple[Caveat, ...] = ()

    def value(self, measure: Measure) -> float | None:
        """The area, or None where it is undefined."""
        value: float | None = getattr(areas(self.curve, limit=measure.limit), measure.kind)
        return value

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        limits = sorted({measure.limit for measure in self.intervals} | {self.curve.convention.limit})
        return {
            "method": self.method,
            "variant": self.variant,
            "curve": self.curve.to_dict(),
            "areas": [areas(self.curve, limit=limit).to_dict() for limit in limits],
            "intervals": [
                {"kind": measure.kind, "limit": measure.limit, **interval.to_dict()}
                for measure, interval in self.intervals.items()
            ],
            "caveats": [caveat.to_dict() for caveat in self.caveats],
        }


@dataclass(frozen=True, eq=False)
class TestBed:
    """One benchmark compared by one recogniser, and all that was evaluated on it.

    Attributes:
        benchmark: Name of the benchmark.
        recogniser: Name of the recogniser that made the comparisons.
        n_subjects: Subjects compared.
        n_images: Images compared.
        n_mated: Mated comparisons.
        n_non_mated: Non-mated comparisons that fixed the threshold.
        fmr: Target FMR.
        evaluations: One for each method and variant, in the order of tables.
        differences: Paired comparisons between evaluations.
        det: Detection error trade-off of the recogniser.
        accuracy: Accuracy over the folds of the protocol.
    """

    __test__ = False  # not a test, whatever its name suggests to pytest

    benchmark: str
    recogniser: str
    n_subjects: int
    n_images: int
    n_mated: int
    n_non_mated: int
    fmr: float
    evaluations: tuple[Evaluation, ...]
    differences: tuple[Difference, ...] = ()
    det: DetCurve | None = None
    accuracy: VerificationAccuracy | None = None

    def __post_init__(self) -> None:
        names = [(one.method, one.variant) for one in self.evaluations]
        repeated = sorted({", ".join(name) for name in names if names.count(name) > 1})
        if not names or repeated:
            raise DataError(
                f"test bed {self.name} needs evaluations of distinct method and variant, "
                f"got {first_few(repeated) or 'none'}"
            )

    @property
    def name(self) -> str:
        """Benchmark and recogniser in one phrase."""
        return f"{self.benchmark} · {self.recogniser}"

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods in the order of tables, each once."""
        return tuple(dict.fromkeys(one.method for one in self.evaluations))

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the order of tables, each once."""
        return tuple(dict.fromkeys(one.variant for one in self.evaluations))

    def find(self, method: str, variant: str) -> Evaluation | None:
        """The evaluation of that method and variant, if there is one."""
        return next((one for one in self.evaluations if (one.method, one.variant) == (method, variant)), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        counts = ("n_subjects", "n_images", "n_mated", "n_non_mated", "fmr")
        return {
            "benchmark": self.benchmark,
            "recogniser": self.recogniser,
            **{name: getattr(self, name) for name in counts},
            "accuracy": None
            if self.accuracy is None
            else {"mean": self.accuracy.mean, "standard_error": self.accuracy.standard_error},
            "equal_error_rate": None if self.det is None else self.det.equal_error_rate,
            "evaluations": [one.to_dict() for one in self.evaluations],
            "differences": [one.to_dict() for one in self.differences],
        }


@dataclass(frozen=True, eq=False)
class Report:
    """All that one report shows.

    Attributes:
        title: Its headline.
        test_beds: Results, one test bed after the other.
        measures: Areas to tabulate; the first is the one findings speak of.
        settings: How the numbers were made, as name and value.
        sheets: Contact sheets, worst to best image of each method.
        shifts: Effect of the label optimisation, one for each method.
        agreements: How alike pairs of methods order samples.
        verifications: How well recognisers do on protocols.
        failures: Samples that could not be processed.
    """

    title: str
    test_beds: tuple[TestBed, ...]
    measures: tuple[Measure, ...] = (Measure("normalised", 0.3), Measure("raw", 0.3))
    settings: Mapping[str, object] = field(default_factory=dict)
    sheets: tuple[ContactSheet, ...] = ()
    shifts: tuple[LabelShift, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    verifications: tuple[Verification, ...] = ()
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if not self.test_beds or not self.measures:
            raise DataError("a report needs at least one test bed and one measure")

    def areas(self) -> dict[tuple[str, str], tuple[float | None, ...]]:
        """The first measure of each method and variant on every test bed, None where there is none."""
        names = dict.fromkeys((one.method, one.variant) for bed in self.test_beds for one in bed.evaluations)
        found = {name: [bed.find(*name) for bed in self.test_beds] for name in names}
        return {
            name: tuple(None if one is None else one.value(self.measures[0]) for one in row)
            for name, row in found.items()
        }

    def stability(self) -> tuple[tuple[tuple[str, str], ...], RankStability] | None:
        """Method and variant of what has an area on every test bed, and how alike the test beds rank them.

        None where there are fewer than two of either, or all areas are equal.
        """
        whole = {
            name: values
            for name, row in self.areas().items()
            if len(values := [value for value in row if value is not None]) == len(row)
        }
        try:
            return tuple(whole), rank_stability(np.array(list(whole.values())).T)
        except DataError:
            return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: everything but the pictures."""
        return {
            "title": self.title,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "measures": [{"kind": measure.kind, "limit": measure.limit} for measure in self.measures],
            "test_beds": [bed.to_dict() for bed in self.test_beds],
            "label_shifts": [shift.to_dict() for shift in self.shifts],
            "stability": self._stability(),
            "agreements": [one.to_dict() for one in self.agreements],
            "verifications": [one.to_dict() for one in self.verifications],
            "failures": [vars(failure) for failure in self.failures],
        }

    def _stability(self) -> dict[str, Any] | None:
        found = self.stability()
        if found is None:
            return None
        names, stability = found
        ranks = [
            {"method": method, "variant": variant, "mean_rank": rank}
            for (method, variant), rank in zip(names, stability.mean_ranks, strict=True)
        ]
        return {"kendall_w": stability.kendall_w, "mean_spearman": stability.mean_spearman, "ranks": ranks}


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float | str | list | dict | None) else str(value)
