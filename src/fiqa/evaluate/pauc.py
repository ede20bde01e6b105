"""Partial area under an error-versus-discard characteristic, in the four forms that tables print."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError, TooFewError
from .edc import EdcCurve

AreaKind = Literal["raw", "mean", "normalised", "excess"]
AREA_KINDS: tuple[AreaKind, ...] = ("raw", "mean", "normalised", "excess")


@dataclass(frozen=True)
class Areas:
    """Areas under one curve up to one discard fraction; lower is better for all.

    Attributes:
        limit: Discard fraction L up to which the area is taken.
        raw: Integral of the error rate from 0 to L; tables often print it times 1000.
        mean: raw / L, an average error rate.
        normalised: raw / (L * error rate at zero discard): 1 where quality carries no information. None where
            no error is left to discard, so that it is undefined.
        excess: raw minus the area below the best that any order could reach. None where that bound is not
            known: where images are discarded, or the threshold moves with the discard fraction.
    """

    limit: float
    raw: float
    mean: float
    normalised: float | None
    excess: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Measure:
    """One number for one curve: which area, and up to which discard fraction.

    Attributes:
        kind: See `Areas`.
        limit: Discard fraction in (0, 1].
    """

    kind: AreaKind = "normalised"
    limit: float = 0.3

    def __post_init__(self) -> None:
        if self.kind not in AREA_KINDS or not 0.0 < self.limit <= 1.0:
            raise SettingsError(
                f"a measure is one of {', '.join(AREA_KINDS)} to a limit in (0, 1], "
                f"got {self.kind!r} to {self.limit}"
            )

    def of(self, curve: EdcCurve) -> float:
        """The number itself; a TooFewError where it is undefined, see `Areas`."""
        value = getattr(areas(curve, limit=self.limit), self.kind)
        if value is None:
            raise TooFewError(
                f"the {self.kind} area of {curve.method} is undefined: {curve.n_errors[0]} errors at zero "
                f"discard, convention {curve.convention.name}"
            )
        return float(value)


def areas(curve: EdcCurve, *, limit: float | None = None) -> Areas:
    """All areas under a curve from zero discard to `limit`, exact for the curve as drawn.

    Args:
        curve: The characteristic; steps or straight lines between points as its convention says.
        limit: Discard fraction in (0, 1]; without one, the convention's own.

    Raises:
        SettingsError: If the limit is out of range, or beyond the grid of the convention.
    """
    convention = curve.convention
    limit = convention.limit if limit is None else limit
    if not 0.0 < limit <= 1.0:
        raise SettingsError(f"limit must lie in (0, 1], got {limit}")
    if convention.grid is not None and limit > convention.limit:
        raise SettingsError(
            f"convention {convention.name} draws to {convention.limit}, an area to {limit} was asked"
        )
    raw = _integral(curve.discard_fraction, curve.error_rate, limit, convention.area)
    start = curve.error_at_zero
    excess = None
    if convention.discard == "pairs" and convention.threshold == "fixed":
        share = curve.n_kept[0] / curve.n_units
        excess = raw - bound_area(start, limit, shape=convention.bound, counted_share=float(share))
    return Areas(limit, raw, raw / limit, raw / (limit * start) if start else None, excess)


def bound_area(
    error_at_zero: float,
    limit: float,
    *,
    shape: Literal["attainable", "straight"] = "attainable",
    counted_share: float = 1.0,
) -> float:
    """Area under the lowest error rate that discarding could leave, up to `limit`.

    Discarding a share x of the counted pairs, all of them errors, leaves the rate (e - x) / (1 - x) until
    none is left at x = e; its area to u = min(L, e) is u + (1 - e) ln(1 - u). The straight line e - x often
    used in its place lies below it and cannot be reached.

    Args:
        error_at_zero: Error rate e with nothing discarded, in [0, 1].
        limit: Discard fraction L in [0, 1].
        shape: Which of the two bounds.
        counted_share: Share, in (0, 1], of the pairs in the order that the error rate counts; below 1 where
            mated and non-mated pairs leave together. It does not alter the straight line.

    Source: Olsen et al. 2016, doi 10.1049/iet-bmt.2014.0055, for the straight line.
    """
    if shape == "straight":
        return (error_at_zero**2 - max(error_at_zero - limit, 0.0) ** 2) / 2
    stop = min(limit / counted_share, error_at_zero)
    fall = (1.0 - error_at_zero) * np.log1p(-stop) if stop < 1 else 0.0
    return float(counted_share * (stop + fall))


def _integral(x: NDArray[np.floating], y: NDArray[np.floating], limit: float, rule: str) -> float:
    inside = int(np.searchsorted(x, limit, side="left"))
    edges = np.append(x[:inside], limit)
    if rule == "steps":
        return float(np.diff(edges) @ y[:inside])
    heights = np.append(y[:inside], np.interp(limit, x, y))
    return float(np.trapezoid(heights, edges))
