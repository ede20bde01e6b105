from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.evaluate.pauc import Measure
from fiqa.evaluate.results import ON_OPTIMISED, RAW
from fiqa.evaluate.tables import best_of, curve_table, latex_table


def test_curves_below_each_other(report) -> None:
    table = curve_table(report.test_beds)
    lengths = {len(column) for column in table.values()}
    n_points = sum(len(one.curve.discard_fraction) for bed in report.test_beds for one in bed.evaluations)
    assert lengths == {n_points}
    bed = report.test_beds[1]
    chosen = (
        (table["benchmark"] == "Made-up 2")
        & (table["method"] == "sharp")
        & (table["variant"] == ON_OPTIMISED)
    )
    assert np.array_equal(table["error_rate"][chosen], bed.find("sharp", ON_OPTIMISED).curve.error_rate)


def test_best_is_decided_as_printed() -> None:
    assert best_of([0.104, 0.096, None, 0.2], digits=1).tolist() == [True, True, False, False]
    assert best_of([0.104, 0.096], digits=3).tolist() == [False, True]
    assert best_of([None, None], digits=1).tolist() == [False, False]


def test_latex_has_the_published_layout(report, make_bed) -> None:
    other = make_bed("Made-up", "other_net", (RAW, ON_OPTIMISED), seed=2)
    beds = (report.test_beds[0], other, report.test_beds[1])
    measure = Measure("raw", 0.3)
    text = latex_table(beds, measure)
    assert r"\begin{tabular}{llrrr}" in text
    assert r" &  & \multicolumn{2}{c}{none \& all} & \multicolumn{1}{c}{other\_net} \\" in text
    assert r"\cmidrule(lr){3-4} \cmidrule(lr){5-5}" in text
    assert r"Method & Labels & Made-up & Made-up 2 & Made-up \\" in text
    rows = [line for line in text.splitlines() if "regressor, optimised labels" in line]
    assert len(rows) == 2
    values = [bed.find("sharp", ON_OPTIMISED).value(measure) * 1e3 for bed in (beds[0], beds[2], beds[1])]
    assert (
        rows[1]
        == " & regressor, optimised labels & "
        + " & ".join(rf"\textbf{{{value:.1f}}}" for value in values)
        + r" \\"
    )
    assert r"\multirow{3}{*}{norm\_1} & raw score" in text
    assert "regressor, base labels & " in text
    assert text.count("--") == 2  # the other network has no regressor on base labels
    with pytest.raises(DataError, match="at least one test bed"):
        latex_table((), measure)
