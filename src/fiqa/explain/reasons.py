"""Factors in plain words: what is worse than in nearly all photographs of public face data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.errors import DataError


@dataclass(frozen=True)
class Level:
    """What a factor is judged by.

    Attributes:
        factor: Name of the factor.
        words: What is said of a face below the level.
        usual: Median over undegraded faces.
        level: Value below which the factor stands out.
    """

    factor: str
    words: str
    usual: float
    level: float


@dataclass(frozen=True)
class Reason:
    """One thing that is wrong with a face.

    Attributes:
        words: In plain words.
        factor: Name of the factor.
        value: Of the face.
        level: The reference level that the value is below.
        severity: Share of the level that is missing, in (0, 1].
    """

    words: str
    factor: str
    value: float
    level: float
    severity: float


LEVELS: tuple[Level, ...] = (
    Level("sharpness", "blurred", 0.51, 0.37),
    Level("cleanness", "noisy", 0.93, 0.75),
    Level("detail", "compressed", 0.89, 0.845),
    Level("light", "too dark", 0.70, 0.42),
    Level("headroom", "too bright", 1.00, 0.85),
    Level("contrast", "low contrast", 0.84, 0.54),
    Level("frontality", "turned away", 0.97, 0.75),
    Level("size", "face too small in the photo", 1.16, 0.50),
    Level("visibility", "partly covered", 0.80, 0.32),
)
"""Medians over LFW, and the lower of the 1st percentiles over LFW and frontal CFP, as the script
``benchmarks/accuracy/reasons.py`` prints them; for size the level where the similarity of a face to itself in
the full photograph falls to 0.98 (SFace)."""


def reasons(factors: Mapping[str, float], *, most: int = 3) -> list[Reason]:
    """What stands out about a face, worst first; nothing for most good faces.

    A factor stands out below its level. Its severity is the share of the level that is missing, so that
    factors of different kinds compare; equal ones keep the order of `LEVELS`.

    Args:
        factors: Value of each factor of one face (see `fiqa.explain.factors`), 0 = worst.
        most: How many reasons at most.

    Raises:
        DataError: If a factor is missing.
    """
    missing = [row.factor for row in LEVELS if row.factor not in factors]
    if missing:
        raise DataError(f"reasons need the factors {', '.join(missing)}; got {', '.join(factors)}")
    found = [
        Reason(row.words, row.factor, value, row.level, 1 - value / row.level)
        for row in LEVELS
        if (value := float(factors[row.factor])) < row.level
    ]
    return sorted(found, key=lambda reason: -reason.severity)[:most]
