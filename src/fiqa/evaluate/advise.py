"""Where to set a quality threshold, what it costs, and whether the data can tell; needs numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.calibration import Calibration, GroupKept
from ..core.errors import SettingsError
from .caveats import FEWEST_ERRORS


@dataclass(frozen=True)
class GroupLoss:
    """What a threshold does to one group.

    Attributes:
        samples_kept: Share of its samples.
        n_pairs: Its mated pairs kept.
        fnmr_before: FNMR with nothing discarded, None without a mated pair.
        fnmr: FNMR of the pairs kept, None without one.
    """

    samples_kept: float
    n_pairs: int
    fnmr_before: float | None
    fnmr: float | None


@dataclass(frozen=True)
class Choice:
    """A score threshold and what it does; images of this score or a higher one are kept.

    Attributes:
        threshold: The score.
        samples_kept: Share of the samples.
        pairs_kept: Share of the mated pairs.
        n_pairs: Mated pairs kept.
        n_errors: Errors among them.
        fnmr: Their FNMR.
        low: Lower end of its band.
        high: Upper end.
        relative_low: Lower end of the band of FNMR over FNMR with nothing discarded.
        relative_high: Upper end.
        subjects_lost: Subjects left without any sample.
        subjects_short: Subjects left with too few, see `Calibration.min_samples`.
        groups: What it does to each group.
    """

    threshold: float
    samples_kept: float
    pairs_kept: float
    n_pairs: int
    n_errors: int
    fnmr: float
    low: float
    high: float
    relative_low: float
    relative_high: float
    subjects_lost: int
    subjects_short: int
    groups: Mapping[str, GroupLoss]


@dataclass(frozen=True)
class Advice:
    """An answer.

    Attributes:
        goal: What was asked.
        supported: Whether the data can carry the answer.
        reasons: Why not.
        start: Everything kept.
        choice: The threshold, None where no threshold in the data reaches the goal.
    """

    goal: str
    supported: bool
    reasons: tuple[str, ...]
    start: Choice
    choice: Choice | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def advise(
    calibration: Calibration, *, keep: float | None = None, fnmr: float | None = None, halve: bool = False
) -> Advice:
    """The threshold that keeps a share of samples, or the lowest one that brings the FNMR down to a target.

    The answer counts as supported when there are 10 errors or more with nothing discarded, a threshold in
    the data reaches the goal, a target FNMR is at least that of one error among the pairs kept, and the band
    of FNMR relative to the start lies below 1. The threshold is chosen on the data that calibrated it:
    confirm it on others.

    Args:
        calibration: What is known.
        keep: Share of samples to keep at least, in (0, 1].
        fnmr: FNMR to come down to, in (0, 1).
        halve: Ask for half the FNMR of the start.

    Raises:
        SettingsError: If not exactly one goal is given, or it lies out of range.
    """
    if (keep is not None) + (fnmr is not None) + halve != 1:
        raise SettingsError("ask for one thing: a share to keep, an FNMR, or half of the FNMR")
    table = calibration.fnmr_of_kept
    start, target = _choice(calibration, 0), fnmr
    if keep is not None:
        if not 0.0 < keep <= 1.0:
            raise SettingsError(f"the share to keep must lie in (0, 1], got {keep}")
        goal = f"keep {keep:.2%} of the samples"
        reached = np.flatnonzero(table.samples_kept >= keep - 1e-12)[-1:]
        beyond = calibration.percentiles.scores > table.scores[-1]
        if np.any(100 * keep <= 100 - calibration.percentiles.percent[beyond]):
            reached = reached[:0]
    else:
        target = start.fnmr / 2 if target is None else target
        if not 0.0 < target < 1.0:
            raise SettingsError(f"the FNMR to come down to must lie inside (0, 1), got {target}")
        goal = f"bring the FNMR down to {target:.3%}"
        reached = np.flatnonzero(table.fnmr <= target)[:1]
    choice = _choice(calibration, int(reached[0])) if reached.size else None
    reasons = _doubts(calibration, start, choice, target)
    return Advice(goal, not reasons, reasons, start, choice)


def _choice(calibration: Calibration, row: int) -> Choice:
    table = calibration.fnmr_of_kept
    at: dict[str, Any] = {name: getattr(table, name)[row].item() for name in table.to_dict()}
    counts = {name: int(at[name]) for name in ("n_pairs", "n_errors", "subjects_lost", "subjects_short")}
    groups = {name: _loss(group, row) for name, group in calibration.groups.items()}
    return Choice(threshold=at.pop("scores"), **{**at, **counts}, groups=groups)


def _loss(group: GroupKept, row: int) -> GroupLoss:
    rates = [float(group.n_errors[at] / group.n_pairs[at]) if group.n_pairs[at] else None for at in (0, row)]
    return GroupLoss(float(group.samples_kept[row]), int(group.n_pairs[row]), *rates)


def _doubts(
    calibration: Calibration, start: Choice, choice: Choice | None, target: float | None
) -> tuple[str, ...]:
    """What speaks against the answer, in sentences."""
    found = []
    table = calibration.fnmr_of_kept
    if start.n_errors < FEWEST_ERRORS:
        found.append(
            f"only {start.n_errors} of {start.n_pairs} mated pairs are errors with nothing discarded, fewer "
            f"than {FEWEST_ERRORS}: their rate is mostly chance"
        )
    if choice is None:
        best = int(np.argmin(table.fnmr))
        found.append(
            "no threshold in the data reaches it: mated pairs are counted up to score "
            f"{table.scores[-1]:.4g} ({table.samples_kept[-1]:.2%} of the samples kept), "
            f"the lowest FNMR is {table.fnmr[best]:.3%}, at {table.scores[best]:.4g}"
        )
    elif choice.threshold > start.threshold and choice.relative_high >= 1.0:
        found.append(
            f"at {choice.threshold:.4g} the {calibration.confidence:.0%} band of the FNMR relative to the "
            f"start, {choice.relative_low:.2f} to {choice.relative_high:.2f}, covers 1: the data cannot tell "
            "that discarding helps there"
        )
    if choice and target is not None and target * choice.n_pairs < 1:
        found.append(
            f"{target:.4%} is below one error among the {choice.n_pairs} mated pairs kept: nothing tells "
            f"it from {choice.high:.3%}, the upper end of the band"
        )
    return tuple(found)
