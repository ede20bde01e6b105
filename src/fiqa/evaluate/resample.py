"""How far an area could differ had other subjects been photographed: bootstrap over subjects.

Pairs of one subject succeed and fail together, so subjects are drawn, not pairs: each replicate draws as
many subjects as there are, with replacement. A mated pair then counts as often as its subject was drawn, a
non-mated pair as often as the product of both. What was estimated from the data is estimated again in each
replicate, the threshold included; to hold the threshold, give it. Products overstate the spread where
non-mated pairs share few subjects, so intervals with an estimated threshold are on the safe side.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3 (percentile intervals);
Bolle, Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets bootstrap", CVIU 2004,
doi 10.1016/j.cviu.2003.08.002; Owen, "The pigeonhole bootstrap", Ann. Appl. Stat. 2007, for the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import first_few
from ..core.errors import DataError, SettingsError, TooFewError
from ..core.types import SampleSet
from .edc import DiscardOrder
from .pauc import Measure


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        estimate: The number on the data as they are.
        low: Lower end.
        high: Upper end.
        confidence: Nominal coverage in (0, 1).
    """

    estimate: float
    low: float
    high: float
    confidence: float

    def to_dict(self) -> dict[str, float]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """Area of one method minus that of another, on the same replicates; negative = the method is better.

    Attributes:
        method: The method in question.
        baseline: What it is compared with.
        measure: The area compared.
        change: Interval of the difference.
        p_value: Two-sided, of no difference; at least 2 / (replicates + 1).
        p_holm: The same after Holm's correction over all differences asked for together.
    """

    method: str
    baseline: str
    measure: Measure
    change: Interval
    p_value: float
    p_holm: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Replicates of areas, the same draws for all methods.

    Attributes:
        methods: (k,) names.
        measures: (a,) the areas.
        estimates: (a, k) on the data as they are.
        replicates: (r, a, k) on resampled subjects.
        n_subjects: Subjects drawn in each replicate.
        n_undefined: Draws left out because an area was undefined on them (no mated pair, or no error).
    """

    methods: tuple[str, ...]
    measures: tuple[Measure, ...]
    estimates: NDArray[np.float64]
    replicates: NDArray[np.float64]
    n_subjects: int
    n_undefined: int

    def interval(self, method: str, measure: Measure, *, confidence: float = 0.95) -> Interval:
        """Percentile interval of one area."""
        index = self._index(measure, method)
        return _interval(self.estimates[index], self.replicates[:, *index], confidence)

    def differences(
        self, measure: Measure, contrasts: Sequence[tuple[str, str]], *, confidence: float = 0.95
    ) -> tuple[Difference, ...]:
        """Paired differences for (method, baseline) names, with p values corrected over all of them.

        Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.
        """
        changes, p_values = [], []
        for method, baseline in contrasts:
            one, other = self._index(measure, method), self._index(measure, baseline)
            drawn = self.replicates[:, *one] - self.replicates[:, *other]
            changes.append(_interval(self.estimates[one] - self.estimates[other], drawn, confidence))
            tail = 1 + min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
            p_values.append(min(1.0, float(2 * tail / (len(drawn) + 1))))
        return tuple(
            Difference(method, baseline, measure, change, p_value, p_holm)
            for (method, baseline), change, p_value, p_holm in zip(
                contrasts, changes, p_values, holm(p_values).tolist(), strict=True
            )
        )

    def _index(self, measure: Measure, method: str) -> tuple[int, int]:
        if method not in self.methods or measure not in self.measures:
            raise SettingsError(
                f"no replicates of {measure} for {method!r}; there are {', '.join(self.methods)} "
                f"and {', '.join(map(str, self.measures))}"
            )
        return self.measures.index(measure), self.methods.index(method)


def bootstrap(
    orders: Sequence[DiscardOrder],
    samples: SampleSet,
    *,
    measures: Sequence[Measure],
    replicates: int = 1000,
    rng: np.random.Generator,
) -> Bootstrap:
    """Areas of several quality methods on resampled subjects.

    Args:
        orders: One for each method, over the same comparisons, see `edc.discard_order`.
        samples: Subject of every compared sample.
        measures: The areas to resample.
        replicates: How many draws of subjects.
        rng: Source of the draws.

    Raises:
        DataError: If the orders are over different comparisons, two share a name, or the pairs contradict
            the subjects.
        TooFewError: If an area is undefined on the data as they are, or on more than half of the draws.
        SettingsError: If there is no order, measure or replicate to compute.
    """
    if not orders or not measures or replicates < 1:
        raise SettingsError("a bootstrap needs at least one method, one measure and one replicate")
    names = tuple(order.method for order in orders)
    comparisons = orders[0].comparisons
    if len(set(names)) < len(names) or any(order.comparisons is not comparisons for order in orders):
        raise DataError(
            f"methods to compare need distinct names and the same comparisons, got {', '.join(names)}"
        )
    estimates = _areas(orders, measures)
    subjects = PairSubjects.of(orders[0], samples)
    drawn, undefined = [], 0
    for _ in range(replicates):
        rows, images = subjects.draw(rng)
        try:
            drawn.append(_areas(orders, measures, rows, images))
        except DataError:
            undefined += 1
    if undefined > replicates / 2:
        raise TooFewError(
            f"{undefined} of {replicates} draws of {subjects.count} subjects leave an area undefined: "
            "too few subjects or errors for an interval"
        )
    return Bootstrap(names, tuple(measures), estimates, np.array(drawn), subjects.count, undefined)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down correction: (k,) p values, each at least the raw one and at most 1."""
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1))
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


@dataclass(frozen=True, eq=False)
class PairSubjects:
    """Subject, as 0..count-1, of both samples of each pair and of each image.

    Attributes:
        first: (m,) of the first sample of each pair.
        second: (m,) of the second.
        images: (i,) of each compared image, see `DiscardOrder.images`.
        count: How many subjects are compared.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    images: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, order: DiscardOrder, samples: SampleSet) -> PairSubjects:
        """Look them up; a DataError where a pair contradicts them."""
        pairs = order.comparisons.pairs
        codes = np.full(len(pairs.sample_ids), -1)
        compared = samples.at(pairs.sample_ids[order.images])
        codes[order.images] = compared.subject_codes()
        first, second = codes[pairs.first], codes[pairs.second]
        wrong = np.flatnonzero((first == second) != pairs.mated)
        if wrong.size:
            raise DataError(
                f"{wrong.size} pairs contradict the subjects of their samples, first "
                f"{first_few(pairs.sample_ids[pairs.first[wrong]])}: a mated pair shows one subject"
            )
        return cls(first, second, codes[order.images], int(codes.max()) + 1)

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of pairs and images, each as often as a draw of subjects contains it."""
        times = np.bincount(rng.integers(0, self.count, self.count), minlength=self.count)
        pairs = times[self.first] * np.where(self.first == self.second, 1, times[self.second])
        return np.repeat(np.arange(pairs.size), pairs), np.repeat(
            np.arange(self.images.size), times[self.images]
        )


def _areas(
    orders: Sequence[DiscardOrder],
    measures: Sequence[Measure],
    rows: slice | NDArray[np.intp] = slice(None),
    images: slice | NDArray[np.intp] = slice(None),
) -> NDArray[np.float64]:
    curves = [order.curve(rows, images) for order in orders]
    return np.array([[measure.of(curve) for curve in curves] for measure in measures])


def _interval(estimate: float, drawn: NDArray[np.float64], confidence: float) -> Interval:
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(float(estimate), float(low), float(high), confidence)
