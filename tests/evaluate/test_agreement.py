from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.evaluate.agreement import agreement, kendall, rank_stability, spearman, worst_overlap
from synthetic import make_quality, make_samples


def test_rank_correlations_by_hand() -> None:
    assert spearman([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(0.8)  # 1 - 6 * 2 / (4 * 15)
    assert kendall([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(2 / 3)  # 5 concordant, 1 discordant
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_worst_overlap_counts_the_lowest_share() -> None:
    values = np.arange(20.0)
    swapped = values.copy()
    swapped[[1, 19]] = swapped[[19, 1]]
    assert worst_overlap(values, swapped) == 0.5  # the worst two share one
    assert worst_overlap(values, values) == 1.0
    assert worst_overlap(values, -values, share=1.0) == 1.0
    with pytest.raises(SettingsError, match="share"):
        worst_overlap(values, values, share=0)


def test_agreement_aligns_by_id() -> None:
    samples = make_samples(5, 2)
    one = make_quality(samples, np.arange(10.0), "one")
    order = np.random.default_rng(0).permutation(10)
    other = make_quality(samples.at(samples.sample_ids[order]), order.astype(float), "other")
    result = agreement(one, other)
    assert (result.spearman, result.kendall, result.worst_overlap) == pytest.approx((1, 1, 1))
    assert result.to_dict()["second"] == "other"


def test_constant_scores_agree_with_nothing() -> None:
    with pytest.raises(DataError, match="second of two lists"):
        spearman([1, 2, 3], [1, 1, 1])
    with pytest.raises(DataError, match="must have one length"):
        spearman([1, 2, 3], [1, 2])


def test_concordance_of_rankings() -> None:
    same = rank_stability([[1, 2, 3], [10, 20, 30], [0.1, 0.2, 0.3]])
    assert same.kendall_w == pytest.approx(1)
    assert same.mean_spearman == pytest.approx(1)
    assert same.mean_ranks == (1, 2, 3)
    opposite = rank_stability([[1, 2, 3], [3, 2, 1]])
    assert opposite.kendall_w == pytest.approx(0)
    # rank sums 4, 5, 9 around 6: spread 14 of 3^2 (27 - 3) / 12 = 18
    assert rank_stability([[1, 2, 3], [2, 1, 3], [1, 2, 3]]).kendall_w == pytest.approx(7 / 9)
    # first bed ranks 1.5, 1.5, 3: sums 2.5, 3.5, 6, spread 6.5; largest 2 (2 * 24 - 6) / 12 = 7
    assert rank_stability([[1, 1, 3], [1, 2, 3]]).kendall_w == pytest.approx(6.5 / 7)


def test_rankings_that_are_none() -> None:
    with pytest.raises(DataError, match=r"two test beds and two methods at least, got \(1, 3\)"):
        rank_stability([[1, 2, 3]])
    with pytest.raises(DataError, match="no ranking"):
        rank_stability([[1, 1], [2, 2]])
