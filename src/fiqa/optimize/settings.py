"""Settings of label optimisation, and the two sets of them that have a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..core.errors import SettingsError

Mode = Literal["sampled", "expected"]
PairRankUnit = Literal["published", "normalised"]
Origin = Literal["base", "previous"]


@dataclass(frozen=True)
class OptimizeSettings:
    """How labels move.

    Attributes:
        mode: ``sampled`` draws mated pairs; ``expected`` takes every mated pair with the probability that
            it is drawn, so that nothing is random.
        clusters: Clusters of a subject across which pairs are drawn, 2 or more; a subject with fewer
            distinct images has as many as these, and then every mated pair counts once each way.
        repetitions: Independent draws that are averaged, with ``sampled``.
        epsilon: Step, in (0, 1]: the share of the way from an image's rank to its mean pair rank.
        pair_rank_unit: ``published`` subtracts ranks of images (0..n-1) from ranks of pairs (0..p-1);
            ``normalised`` puts both on [0, 1).
        rounds: Most rounds; from the second on, the ranks of the round before decide which image of a
            pair is the worse one. Rounds end early when no rank changes.
        origin: Where a step starts from: the rank of the ``previous`` round, or always the ``base`` rank,
            which then is never forgotten.
        credit_width: 0 credits a pair to its worse image alone; above, both images share it by a logistic
            function of their distance in rank over this width (in shares of all images, 0.001 or more).
        shrinkage: Pairs that the base rank is worth: an image with w credited pairs takes the share
            w / (w + shrinkage) of its step.
        margin: How many standard errors a mean pair rank must lie off the base rank before the image moves.
        seed: Seed of clusters and draws.
    """

    mode: Mode = "expected"
    clusters: int = 20
    repetitions: int = 10
    epsilon: float = 0.001
    pair_rank_unit: PairRankUnit = "published"
    rounds: int = 1
    origin: Origin = "previous"
    credit_width: float = 0.0
    shrinkage: float = 0.0
    margin: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("mode", Mode), ("pair_rank_unit", PairRankUnit), ("origin", Origin)):
            if getattr(self, name) not in get_args(choices):
                raise SettingsError(
                    f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}"
                )
        for name, least in (
            ("clusters", 2),
            ("repetitions", 1),
            ("rounds", 1),
            ("shrinkage", 0),
            ("margin", 0),
        ):
            if not getattr(self, name) >= least:
                raise SettingsError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.epsilon <= 1:
            raise SettingsError(f"epsilon must lie in (0, 1], got {self.epsilon}")
        if self.credit_width and not self.credit_width >= 0.001:
            raise SettingsError(f"credit_width must be 0 or at least 0.001, got {self.credit_width}")
        if not 0 <= self.seed < 2**64:
            raise SettingsError(f"seed must lie in 0..2**64-1, got {self.seed}")


PRESETS: dict[str, OptimizeSettings] = {
    "published": OptimizeSettings(mode="sampled"),
    "recommended": OptimizeSettings(pair_rank_unit="normalised", epsilon=0.6, credit_width=0.05),
}
"""``published`` reproduces Babnik et al. (arXiv 2305.14856); ``recommended`` is our own choice.

One round, a large step on a common scale, and both images of a pair held to account in the measure in which
their ranks tell who is worse. In `benchmarks/accuracy/label_optimisation.py` this held for every base, on
unseen subjects in both directions and on recognisers that no label saw; more rounds, shrinkage and margins
did not add to it.
"""
