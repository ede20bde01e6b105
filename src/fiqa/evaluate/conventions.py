"""What must be said beside an error-versus-discard number before it can be compared with another."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args, get_type_hints

from ..core.errors import SettingsError


@dataclass(frozen=True)
class Convention:
    """One way to draw an error-versus-discard characteristic and to measure its area.

    Attributes:
        name: How reports call it.
        threshold: ``"fixed"``: found once on all comparisons. ``"rederived"``: found anew among the
            comparisons that remain at each discard fraction, so that the FMR is held instead.
        rule: How a target FMR becomes a threshold, see `error_rates.threshold_at_fmr`.
        population: Which pairs are ordered by quality and leave: ``"counted"``, those that the error rate
            counts (mated pairs for FNMR), or ``"all"``, mated and non-mated together.
        discard: What the discard fraction counts: ``"pairs"``, or ``"images"`` (an image takes all its pairs
            along).
        ties: ``"together"``: units of equal quality leave at once. ``"in_order"``: one by one, in the
            order in which they were given.
        pair_quality: Quality of a pair from the two of its samples.
        grid: Distance of the discard fractions 0, grid, 2 grid, ... up to `limit`, or None for one point at
            every distinct quality value.
        area: ``"steps"``: each error rate holds until the next point. ``"trapezoid"``: straight lines between
            points. Beyond the last point its value holds.
        limit: Discard fraction in (0, 1] up to which areas are taken unless another is asked for.
        bound: Curve from which the excess is measured: ``"attainable"``, (e - x) / (1 - x), what the best
            possible order reaches, or ``"straight"``, e - x, which no order can reach.
        closed: Whether a last point (1, 0) follows, where nothing is left and the rate is 0 by decree.
    """

    name: str
    threshold: Literal["fixed", "rederived"] = "fixed"
    rule: Literal["at_most", "nearest", "above_nearest", "index"] = "at_most"
    population: Literal["counted", "all"] = "counted"
    discard: Literal["pairs", "images"] = "pairs"
    ties: Literal["together", "in_order"] = "together"
    pair_quality: Literal["min", "max", "mean", "product"] = "min"
    grid: float | None = None
    area: Literal["steps", "trapezoid"] = "steps"
    limit: float = 0.3
    bound: Literal["attainable", "straight"] = "attainable"
    closed: bool = False

    def __post_init__(self) -> None:
        for field, hint in get_type_hints(type(self)).items():
            choices, value = get_args(hint), getattr(self, field)
            if choices and field != "grid" and value not in choices:
                raise SettingsError(
                    f"convention {self.name}: {field} must be one of {', '.join(choices)}, got {value!r}"
                )
        if not 0.0 < self.limit <= 1.0:
            raise SettingsError(f"convention {self.name}: limit must lie in (0, 1], got {self.limit}")
        if self.grid is not None and not 0.0 < self.grid <= self.limit:
            raise SettingsError(f"convention {self.name}: grid must lie in (0, limit], got {self.grid}")
        if self.discard == "images" and self.pair_quality != "min":
            raise SettingsError(
                f"convention {self.name}: a pair leaves with the worse of its images, so discarding images "
                f"needs pair_quality 'min', got {self.pair_quality!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)


ISO = Convention("iso")
PUBLISHED_2023 = Convention(
    "published-2023",
    threshold="rederived",
    population="all",
    ties="in_order",
    grid=0.05,
    area="trapezoid",
    limit=0.95,
)
CR_FIQA = Convention(
    "cr-fiqa",
    threshold="rederived",
    rule="above_nearest",
    population="all",
    ties="in_order",
    grid=0.05,
    area="trapezoid",
    limit=0.95,
)
MAGFACE = Convention(
    "magface",
    threshold="rederived",
    rule="index",
    population="all",
    ties="in_order",
    grid=0.05,
    area="trapezoid",
    limit=0.95,
)
FIQAT = Convention("fiqat", limit=0.2, bound="straight", closed=True)
LIGHTQNET = Convention(
    "lightqnet",
    rule="nearest",
    population="all",
    grid=0.01,
    area="trapezoid",
    limit=0.99,
    bound="straight",
)
