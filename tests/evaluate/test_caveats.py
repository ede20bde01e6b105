from __future__ import annotations

from dataclasses import replace

import numpy as np

from fiqa.evaluate.caveats import caveats, few_replicates, training_overlap
from fiqa.evaluate.conventions import MAGFACE
from fiqa.evaluate.edc import edc
from synthetic import make_comparisons, make_quality, make_samples


def codes(fmr, *, values=None, convention=None, n_non_mated=200, given=None):
    rng = np.random.default_rng(3)
    samples = make_samples(12, 6)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=n_non_mated)
    quality = make_quality(samples, usefulness if values is None else values)
    settings = {} if convention is None else {"convention": convention}
    curve = edc(comparisons, quality, fmr=fmr, threshold=given, **settings)
    found = caveats(curve, comparisons, fmr=None if given is not None else fmr)
    return {caveat.code: caveat.message for caveat in found}


def test_sound_data_raise_no_caveat() -> None:
    assert codes(0.1) == {}


def test_a_target_that_no_comparison_resolves() -> None:
    assert "FMR 0.001 is below 1/200" in codes(0.001)["fmr_unresolved"]
    assert "rests on 4 of 200" in codes(0.02)["fmr_coarse"]


def test_a_given_threshold_is_the_callers_business() -> None:
    assert codes(0.001, given=0.4) == {}


def test_few_errors() -> None:
    assert "0 errors among 180 comparisons" in codes(0.1, given=-2.0)["few_errors"]


def test_quality_of_few_values() -> None:
    values = np.arange(72) % 3
    assert "takes 3 distinct values over 180 pairs" in codes(0.1, values=values)["coarse_quality"]


def test_a_curve_cut_short() -> None:
    short = replace(MAGFACE, limit=0.99, grid=0.01)
    assert "too few comparisons are left beyond" in codes(0.1, convention=short, n_non_mated=2)["short_curve"]


def test_training_on_the_subjects_of_the_test() -> None:
    samples = make_samples(5, 2)
    assert training_overlap(samples, replace(samples, subject_ids=np.full(10, "other")), model="m") == ()
    (caveat,) = training_overlap(samples, make_samples(4, 3), model="the regressor")
    assert caveat.message == (
        "the regressor was trained on 4 of the 5 subjects it is tested on (p0, p1, p2 and 1 more): "
        "its areas are too good"
    )
    assert caveat.to_dict()["code"] == "training_overlap"


def test_few_replicates_for_so_many_differences() -> None:
    (found,) = few_replicates(1000, 60)
    assert found.code == "few_replicates"
    assert "1000 bootstrap draws cannot show one of 60 differences" in found.message
    assert "draw 2400 or more" in found.message
    assert few_replicates(2400, 60) == ()
    assert few_replicates(1000, 25) == ()
    assert few_replicates(20, 0) == ()
