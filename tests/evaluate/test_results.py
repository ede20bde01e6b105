from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fiqa.core.errors import DataError
from fiqa.evaluate.agreement import rank_stability
from fiqa.evaluate.pauc import Measure, areas
from fiqa.evaluate.results import ON_OPTIMISED, RAW


def test_everything_goes_into_json(report) -> None:
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    bed = plain["test_beds"][0]
    assert (bed["benchmark"], bed["n_mated"], bed["accuracy"]) == ("Made-up", 150, None)
    assert 0 < bed["equal_error_rate"] < 1
    one = bed["evaluations"][0]
    assert (one["method"], one["variant"]) == ("norm_1", RAW)
    assert {entry["kind"] for entry in one["intervals"]} == {"normalised", "raw"}
    assert one["areas"][0]["limit"] == 0.3
    assert one["curve"]["convention"]["name"] == "iso"
    assert len(bed["differences"]) == 5
    assert plain["settings"]["folders"] == ["a", "b"]
    assert plain["label_shifts"][0]["diagnostics"] == {"mode": "expected", "rounds": 1}
    assert plain["failures"][0]["reason"] == "no_face"


def test_stability_is_that_of_the_rows_on_every_test_bed(report) -> None:
    names, found = report.stability()
    table = [[one.value(report.measures[0]) for one in bed.evaluations] for bed in report.test_beds]
    assert found == rank_stability(table)
    plain = report.to_dict()["stability"]
    assert (plain["kendall_w"], plain["mean_spearman"]) == (found.kendall_w, found.mean_spearman)
    assert [(row["method"], row["variant"]) for row in plain["ranks"]] == list(names)
    assert [row["mean_rank"] for row in plain["ranks"]] == list(found.mean_ranks)
    one, other = report.test_beds
    fewer = replace(other, evaluations=other.evaluations[1:])
    assert replace(report, test_beds=(one, fewer)).stability()[0] == names[1:]
    assert replace(report, test_beds=(one,)).stability() is None
    assert replace(report, test_beds=(one,)).to_dict()["stability"] is None


def test_a_result_finds_its_evaluations(report) -> None:
    bed = report.test_beds[0]
    assert bed.methods == ("norm_1", "sharp")
    one = bed.find("sharp", ON_OPTIMISED)
    assert one.value(Measure("raw", 0.2)) == areas(one.curve, limit=0.2).raw
    assert bed.find("sharp", "something else") is None


def test_repeated_or_missing_evaluations_are_refused(report) -> None:
    bed = report.test_beds[0]
    with pytest.raises(DataError, match="distinct method and variant, got norm_1, raw score"):
        replace(bed, evaluations=(bed.evaluations[0],) * 2)
    with pytest.raises(DataError, match="got none"):
        replace(bed, evaluations=())
    with pytest.raises(DataError, match="at least one test bed"):
        replace(report, test_beds=())
