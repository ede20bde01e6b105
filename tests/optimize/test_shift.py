from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError
from fiqa.optimize.credit import Credit, credit_share, strengths
from fiqa.optimize.settings import OptimizeSettings
from fiqa.optimize.shift import RankShift, shift_ranks

SCORES = st.lists(st.integers(-5, 5), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1)


def shift(values, credits: list[Credit] | Credit, **settings) -> RankShift:
    given_credits = credits if isinstance(credits, list) else [credits]
    return shift_ranks(
        np.array(values, np.float64),
        lambda standing, turn: given_credits,
        settings=OptimizeSettings(**settings),
    )


def credit(means, weight=None, n_pairs: int = 100) -> Credit:
    means = np.array(means, np.float64)
    weight = np.ones(len(means)) if weight is None else np.array(weight, np.float64)
    return Credit(means, weight, (weight > 0).astype(np.float64), n_pairs)


@given(SCORES, st.integers(0, 99), st.sampled_from(["published", "normalised"]), st.floats(0.001, 1))
def test_values_are_only_handed_round(values: list[int], seed: int, unit: str, epsilon: float) -> None:
    rng = np.random.default_rng(seed)
    credits = [
        credit(rng.integers(100, size=len(values)), rng.integers(3, size=len(values))) for _ in range(3)
    ]
    result = shift(values, credits, pair_rank_unit=unit, epsilon=epsilon, rounds=3)
    assert sorted(result.values) == sorted(values)
    assert sorted(result.after) == sorted(result.before) == list(range(len(values)))
    assert np.all(np.diff(result.values[np.argsort(result.after)]) >= 0)


@given(SCORES, st.integers(0, 99))
def test_only_the_order_of_scores_matters(values: list[int], seed: int) -> None:
    credits = credit(np.random.default_rng(seed).integers(100, size=len(values)))
    plain = shift(values, credits, epsilon=0.3)
    curved = shift(np.exp(np.array(values) / 3), credits, epsilon=0.3)
    np.testing.assert_array_equal(plain.after, curved.after)
    np.testing.assert_allclose(np.exp(plain.values / 3), curved.values)


def test_units_put_ranks_on_one_scale() -> None:
    """Ranks 0..3 of images, mean ranks 90, 0, 0, 0 of 100 pairs: 0.9 of the way up, once on one scale."""
    target = credit([90, 0, 0, 0], [1, 0, 0, 0])
    published = shift([1, 2, 3, 4], target, epsilon=0.03)
    assert published.after.tolist() == [2, 0, 1, 3]
    normalised = shift([1, 2, 3, 4], target, epsilon=0.3, pair_rank_unit="normalised")
    assert normalised.after.tolist() == [1, 0, 2, 3]


def test_repetitions_are_averaged_and_images_without_pairs_stay() -> None:
    draws = [credit([40, 0, 0], [1, 0, 0]), credit([0, 0, 0], [0, 0, 0])]
    assert shift([1, 2, 3], draws, epsilon=0.11).after.tolist() == [2, 0, 1]
    assert shift([1, 2, 3], draws, epsilon=0.07).after.tolist() == [1, 0, 2]
    assert shift([1, 2, 3], draws[1:]).after.tolist() == [0, 1, 2]


def test_few_pairs_move_an_image_less() -> None:
    few, many = credit([80, 0, 0, 0], [1, 0, 0, 0]), credit([80, 0, 0, 0], [99, 0, 0, 0])
    settings = {"epsilon": 1.0, "pair_rank_unit": "normalised", "shrinkage": 1.0}
    assert shift([1, 2, 3, 4], few, **settings).after.tolist() == [1, 0, 2, 3]
    assert shift([1, 2, 3, 4], many, **settings).after.tolist() == [3, 0, 1, 2]


def test_only_a_disagreement_beyond_chance_moves_an_image() -> None:
    """One pair has a standard error of 0.289, a hundred of 0.029; the first image is 0.4 off."""
    settings = {"epsilon": 1.0, "pair_rank_unit": "normalised", "margin": 2.0}
    unsure, sure = credit([40, 0, 0, 0], [1, 0, 0, 0]), credit([40, 0, 0, 0], [100, 0, 0, 0])
    assert shift([1, 2, 3, 4], unsure, **settings).after.tolist() == [0, 1, 2, 3]
    assert shift([1, 2, 3, 4], sure, **settings).after.tolist() == [1, 0, 2, 3]


def test_later_rounds_start_from_the_new_ranks_or_from_the_base() -> None:
    target = credit([99, 0, 0, 0, 0], [1, 0, 0, 0, 0])
    settings = {"epsilon": 0.3, "pair_rank_unit": "normalised", "rounds": 20}
    walked = shift([1, 2, 3, 4, 5], target, origin="previous", **settings)
    assert (walked.after[0], walked.rounds) == (2, 3)
    held = shift([1, 2, 3, 4, 5], target, origin="base", **settings)
    assert (held.after[0], held.rounds) == (1, 2)


def test_the_standing_of_the_last_round_decides_who_is_worse() -> None:
    seen = []

    def credits(standing: np.ndarray, turn: int) -> list[Credit]:
        seen.append((turn, standing.tolist()))
        return [credit(100 - 100 * standing / 2, n_pairs=101)]

    shift_ranks(
        np.array([1.0, 2.0, 3.0]),
        credits,
        settings=OptimizeSettings(rounds=2, epsilon=1.0, pair_rank_unit="normalised"),
    )
    assert seen == [(0, [0, 1, 2]), (1, [2, 1, 0])]


def test_ties_keep_their_order() -> None:
    assert shift([2, 1, 2, 1], credit([0] * 4, [0] * 4)).after.tolist() == [2, 0, 3, 1]


def test_constant_scores_are_refused() -> None:
    with pytest.raises(DataError, match=r"3 base scores are all 0\.5: there is no order to improve"):
        shift([0.5, 0.5, 0.5], credit([0, 0, 0]))


def test_shares_are_logistic_in_rank() -> None:
    standing = np.array([0, 30, 31, 99])
    strength = strengths(np.pad(standing, (0, 96)), 0.05)[:4]
    for own in range(4):
        for other in range(4):
            wanted = 1 / (1 + np.exp((standing[own] - standing[other]) / 100 / 0.05))
            assert credit_share(strength[own], strength[other], True) == pytest.approx(wanted, rel=1e-9)
    assert credit_share(1.0, 2.0, False) == 1.0
    assert credit_share(2.0, 1.0, False) == 0.0


def test_the_narrowest_width_does_not_overflow() -> None:
    strength = strengths(np.arange(1000), 0.001)
    assert np.all(np.isfinite(strength + strength.max()))
    assert strength.min() > 0
