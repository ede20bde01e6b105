"""What the data cannot carry, said beside the numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ..core.arrays import first_few, whole
from ..core.types import ComparisonScores, PairSet, SampleSet
from .edc import EdcCurve

FEWEST_ERRORS = 10
CHANCE = 0.05
"""Corrected p value below which a difference counts as beyond chance."""


@dataclass(frozen=True)
class Caveat:
    """One limit of a result.

    Attributes:
        code: Short name, the same for all results it concerns.
        message: One sentence with the numbers.
    """

    code: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """Plain values, ready for JSON."""
        return asdict(self)


def caveats(curve: EdcCurve, comparisons: ComparisonScores, *, fmr: float | None) -> tuple[Caveat, ...]:
    """Warnings about one curve.

    Args:
        curve: The characteristic.
        comparisons: What it was drawn from.
        fmr: Target FMR if the threshold came from these comparisons, None if it was given.
    """
    found = [] if fmr is None else about_target(fmr, int(np.count_nonzero(~comparisons.pairs.mated)))
    if curve.n_errors[0] < FEWEST_ERRORS:
        found.append(
            Caveat(
                "few_errors",
                f"{curve.n_errors[0]} errors among {curve.n_kept[0]} comparisons at zero discard, fewer than "
                f"{FEWEST_ERRORS}: areas and ranks of methods are mostly chance",
            )
        )
    n_swapped = _both_ways(comparisons.pairs)
    if n_swapped:
        found.append(
            Caveat(
                "swapped_pairs",
                f"{n_swapped} pairs are compared both ways round and count twice; keep one row of each "
                "unless the recogniser tells first from second",
            )
        )
    n_units, n_points = curve.n_units, len(curve.discard_fraction)
    if curve.convention.grid is None and n_units >= 10 * n_points:
        found.append(
            Caveat(
                "coarse_quality",
                f"{curve.method} takes {n_points} distinct values over {n_units} {curve.convention.discard}: "
                "the curve moves in large steps",
            )
        )
    last = curve.discard_fraction[-1]
    if curve.convention.threshold == "rederived" and last < curve.convention.limit - 1e-9:
        found.append(
            Caveat(
                "short_curve",
                f"too few comparisons are left beyond a discard fraction of {last:.2f}: "
                "the last error rate stands for the rest",
            )
        )
    return tuple(found)


def about_target(fmr: float, n_non_mated: int) -> list[Caveat]:
    """Whether the non-mated comparisons resolve the target FMR."""
    if fmr * n_non_mated < 1:
        return [
            Caveat(
                "fmr_unresolved",
                f"FMR {fmr:g} is below 1/{n_non_mated}: the threshold lies above all non-mated comparisons "
                f"and its FMR is unknown; use more of them or a target of at least {1 / n_non_mated:.1g}",
            )
        ]
    if fmr * n_non_mated < FEWEST_ERRORS:
        return [
            Caveat(
                "fmr_coarse",
                f"at FMR {fmr:g} the threshold rests on {whole(fmr * n_non_mated)} of {n_non_mated} "
                "non-mated comparisons; all-against-all comparisons would fix it better",
            )
        ]
    return []


def few_replicates(n_replicates: int, n_differences: int) -> tuple[Caveat, ...]:
    """A warning if the draws are too few for any difference to be beyond chance.

    A p value is 2 / (replicates + 1) or more, and Holm's correction multiplies the smallest one by the number
    of differences.
    """
    if 2 * n_differences < CHANCE * (n_replicates + 1):
        return ()
    message = (
        f"{n_replicates} bootstrap draws cannot show one of {n_differences} differences to be beyond chance "
        f"(p < {CHANCE:g} after correction): draw {round(2 * n_differences / CHANCE)} or more"
    )
    return (Caveat("few_replicates", message),)


def training_overlap(tested: SampleSet, trained: SampleSet, *, model: str) -> tuple[Caveat, ...]:
    """A warning if a model was trained on subjects that it is tested on; subject ids decide.

    Args:
        tested: Samples of the benchmark.
        trained: Samples the model was trained on.
        model: What the warning calls the model.
    """
    subjects = np.unique(tested.subject_ids)
    shared = subjects[np.isin(subjects, trained.subject_ids)]
    if not shared.size:
        return ()
    message = (
        f"{model} was trained on {shared.size} of the {subjects.size} subjects it is tested on "
        f"({first_few(shared)}): its areas are too good"
    )
    return (Caveat("training_overlap", message),)


def _both_ways(pairs: PairSet) -> int:
    """How many pairs stand in the list a second time, with first and second exchanged."""
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    keys = low.astype(np.int64) * len(pairs.sample_ids) + high
    keys.sort()
    return int(np.count_nonzero(keys[1:] == keys[:-1]))
