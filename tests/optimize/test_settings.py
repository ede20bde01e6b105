from __future__ import annotations

import pytest

from fiqa.core.errors import SettingsError
from fiqa.optimize.settings import PRESETS, OptimizeSettings


def test_the_published_preset_holds_the_published_defaults() -> None:
    published = PRESETS["published"]
    assert (published.mode, published.clusters, published.repetitions) == ("sampled", 20, 10)
    assert (published.epsilon, published.pair_rank_unit, published.rounds) == (0.001, "published", 1)
    assert (published.credit_width, published.shrinkage, published.margin) == (0, 0, 0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mode": "exact"}, "mode must be one of sampled, expected, got 'exact'"),
        ({"pair_rank_unit": "raw"}, "pair_rank_unit must be one of published, normalised"),
        ({"origin": "last"}, "origin must be one of base, previous"),
        ({"clusters": 1}, "clusters must be at least 2, got 1"),
        ({"repetitions": 0}, "repetitions must be at least 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"epsilon": 0.0}, r"epsilon must lie in \(0, 1\], got 0.0"),
        ({"epsilon": 1.5}, r"epsilon must lie in \(0, 1\]"),
        ({"epsilon": float("nan")}, r"epsilon must lie in \(0, 1\]"),
        ({"shrinkage": -1.0}, "shrinkage must be at least 0"),
        ({"margin": float("nan")}, "margin must be at least 0, got nan"),
        ({"credit_width": 1e-6}, "credit_width must be 0 or at least 0.001"),
        ({"seed": -1}, "seed must lie in"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        OptimizeSettings(**setting)
