from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from fiqa.evaluate.conventions import LIGHTQNET
from fiqa.evaluate.figures import (
    MOST_POINTS,
    SERIES,
    det_figure,
    difference_figure,
    edc_figure,
    jpeg,
    png,
    shift_figure,
    svg,
)
from fiqa.evaluate.results import RAW


def lines_of(figure, panel=0):
    return [line for line in figure.axes[panel].get_lines() if len(line.get_xdata()) > 2]


def test_one_panel_a_method_and_one_line_a_variant(report) -> None:
    bed = report.test_beds[0]
    figure = edc_figure(bed)
    assert [ax.get_title(loc="left") for ax in figure.axes] == list(bed.methods)
    first = lines_of(figure)[0]
    curve = bed.evaluations[0].curve
    assert np.array_equal(first.get_xdata()[:-1], curve.discard_fraction)
    assert np.array_equal(first.get_ydata(), np.append(curve.error_rate, curve.error_rate[-1]))
    assert first.get_drawstyle() == "steps-post"
    assert [line.get_color() for line in lines_of(figure)][1:] == list(SERIES[:2])


def test_one_panel_for_methods_without_variants(make_bed) -> None:
    bed = make_bed(variants=(RAW,))
    bed = replace(
        bed,
        evaluations=tuple(
            replace(one, curve=replace(one.curve, convention=LIGHTQNET)) for one in bed.evaluations
        ),
    )
    figure = edc_figure(bed)
    assert len(figure.axes) == 1
    assert [line.get_drawstyle() for line in lines_of(figure)] == ["default", "default"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["norm_1", "sharp"]


def test_long_curves_are_thinned_but_keep_their_ends(report) -> None:
    bed = report.test_beds[0]
    n = 5 * MOST_POINTS
    long = replace(
        bed.evaluations[0].curve,
        discard_fraction=np.arange(n) / n,
        error_rate=np.linspace(0.5, 0.25, n),
        n_errors=np.arange(n)[::-1],
        n_kept=np.arange(1, n + 1)[::-1],
        thresholds=np.zeros(n),
    )
    figure = edc_figure(replace(bed, evaluations=(replace(bed.evaluations[0], curve=long),)))
    (line,) = lines_of(figure)
    assert len(line.get_xdata()) == MOST_POINTS + 1
    assert line.get_ydata()[[0, -1]].tolist() == [0.5, 0.25]


def test_det_axes_are_normal_deviates(report) -> None:
    bed = report.test_beds[0]
    figure = det_figure([(bed.name, bed.det)], fmr=0.05)
    (line,) = lines_of(figure)
    assert np.all(np.isfinite(line.get_xydata()))
    label = figure.legends[0].get_texts()[0].get_text()
    assert label == f"{bed.name} (EER {bed.det.equal_error_rate:.2%})"


def test_differences_have_a_row_each(report) -> None:
    differences = report.test_beds[0].differences
    figure = difference_figure([(one.method, one) for one in differences])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        one.method for one in differences
    ]


@pytest.mark.parametrize("with_similarity", [True, False])
def test_shift_counts_every_sample(report, with_similarity) -> None:
    shift = report.shifts[0] if with_similarity else replace(report.shifts[0], mated_similarity=None)
    figure = shift_figure(shift)
    assert len(figure.axes) == 2 + with_similarity
    assert sum(bar.get_height() for bar in figure.axes[1].patches) == 40


def test_labels_that_did_not_move(report) -> None:
    shift = replace(report.shifts[0], optimised=report.shifts[0].base)
    assert svg(shift_figure(shift)).startswith("<svg")


def test_formats(report) -> None:
    figure = det_figure([("a & b", report.test_beds[0].det)])
    text = svg(figure)
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert text == svg(det_figure([("a & b", report.test_beds[0].det)]))  # the same each time
    assert png(figure, dpi=50).startswith(b"\x89PNG")
    assert jpeg(np.zeros((4, 4, 3), dtype=np.uint8)).startswith(b"\xff\xd8")
