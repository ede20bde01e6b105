from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.evaluate.conventions import CR_FIQA
from fiqa.evaluate.edc import discard_order, edc
from fiqa.evaluate.fairness import by_group
from fiqa.evaluate.pauc import areas
from synthetic import make_comparisons, make_quality, make_samples


@pytest.fixture
def scene(rng):
    samples = make_samples(20, 4)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=600)
    quality = make_quality(samples, np.round(usefulness + rng.normal(size=80), 1))
    groups = np.where(samples.subject_codes() % 3 == 0, "a", "b")
    return comparisons, quality, groups


def test_each_group_against_plain_loops(scene) -> None:
    comparisons, quality, groups = scene
    order = discard_order(comparisons, quality, fmr=0.05)
    threshold = edc(comparisons, quality, fmr=0.05).threshold
    pairs, score = comparisons.pairs, quality.values
    ranked = np.sort(score)
    for result in by_group(order, quality, groups, shares=(0.1, 0.4)):
        name = result.name
        rows = [
            (bool(m), float(s), min(score[a], score[b]))
            for a, b, m, s in zip(pairs.first, pairs.second, pairs.mated, comparisons.similarity, strict=True)
            if groups[a] == groups[b] == name
        ]
        mated = [(s < threshold, worse) for m, s, worse in rows if m]
        apart = [s >= threshold for m, s, _ in rows if not m]
        assert result.n_samples == sum(groups == name)
        assert (result.n_non_mated, result.fmr) == (len(apart), np.mean(apart))
        assert result.curve.n_kept[0] == len(mated)
        assert result.curve.error_at_zero == np.mean([wrong for wrong, _ in mated])
        for effect, share in zip(result.effects, (0.1, 0.4), strict=True):
            assert effect.score == ranked[int(share * 80 + 1e-9)]
            assert effect.discarded_overall <= share
            assert effect.discarded == np.mean(score[groups == name] < effect.score)
            left = [wrong for wrong, worse in mated if worse >= effect.score]
            assert (effect.n_pairs, effect.fnmr) == (len(left), np.mean(left))


def test_one_group_of_all_is_the_whole(scene) -> None:
    comparisons, quality, _ = scene
    (result,) = by_group(discard_order(comparisons, quality, fmr=0.05), quality, np.full(80, "all"))
    whole = edc(comparisons, quality, fmr=0.05)
    assert np.array_equal(result.curve.error_rate, whole.error_rate)
    plain = result.to_dict(limit=0.2)
    assert plain["areas"] == areas(whole, limit=0.2).to_dict()
    assert plain["fnmr0"] == whole.error_at_zero
    assert len(plain["effects"]) == 4


def test_a_group_without_mated_pairs_and_samples_without_group(scene) -> None:
    comparisons, quality, groups = scene
    groups = np.where(np.arange(80) == 0, "alone", np.where(groups == "b", "", groups))
    alone, some = sorted(
        by_group(discard_order(comparisons, quality, fmr=0.05), quality, groups), key=lambda g: g.n_samples
    )
    assert (alone.name, alone.curve, alone.fmr, alone.effects[0].fnmr) == ("alone", None, None, None)
    assert alone.to_dict()["areas"] is None
    assert some.name == "a"


def test_refusals(scene) -> None:
    comparisons, quality, groups = scene
    order = discard_order(comparisons, quality, fmr=0.05)
    with pytest.raises(DataError, match="no mated pair has both samples in one group"):
        by_group(order, quality, np.arange(80).astype(str))
    with pytest.raises(SettingsError, match="at one threshold, got FNMR with cr-fiqa"):
        by_group(discard_order(comparisons, quality, convention=CR_FIQA, fmr=0.05), quality, groups)
    with pytest.raises(DataError, match="one length, got quality 80, groups 3"):
        by_group(order, quality, groups[:3])
