from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from fiqa.evaluate.report import render
from fiqa.evaluate.results import RAW, Report

VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Checks nesting; keeps ids, internal links, sources and tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attributes) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._keep(attributes)

    def handle_startendtag(self, tag, attributes) -> None:
        self._keep(attributes)

    def _keep(self, attributes) -> None:
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name in ("href", "xlink:href"):
                self.links.append(value)
            elif name == "src":
                self.sources.append(value)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(report) -> str:
    return render(report)


@pytest.fixture(scope="module")
def reader(page) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_stands_alone(page, reader) -> None:
    assert all(source.startswith("data:image/jpeg;base64,") for source in reader.sources)
    assert all(link.startswith("#") for link in reader.links)
    assert not reader.tags & {"script", "link", "iframe", "object"}
    outside = re.findall(r"(?:@import|url\()\s*['\"]?(?!#)[^)]*", page)
    assert outside == []


def test_ids_are_unique_and_links_lead_somewhere(reader) -> None:
    assert len(set(reader.ids)) == len(reader.ids)
    assert {link[1:] for link in reader.links} <= set(reader.ids)


def test_all_parts_are_there(page, report) -> None:
    assert "A &lt;small&gt; study" in page
    for heading in (
        "All test beds",
        "Recognition errors",
        "Recognisers",
        "Worst to best",
        "Label optimisation",
        "Agreement of methods",
        "What the data cannot carry",
        "Failures",
        "How this was made",
        "Terms",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "no face" in page
    assert "12\u202f345" in page
    assert page.count("<img ") == 12 + 4 + 4
    assert "prefers-color-scheme: dark" in page


def test_table_shows_values_and_intervals(page, report) -> None:
    measure = report.measures[0]
    for bed in report.test_beds:
        for one in bed.evaluations:
            interval = one.intervals[measure]
            assert f"{one.value(measure):.3f}<small>{interval.low:.3f} – {interval.high:.3f}</small>" in page


def test_summary_tells_how_stable_the_ranks_are(page, report) -> None:
    _, found = report.stability()
    assert f"Kendall's W {found.kendall_w:.2f}" in page
    assert f'<td class="value">{found.mean_ranks[0]:.1f}</td></tr>' in page


def test_recognisers_stand_in_a_table_with_their_warnings(page, report) -> None:
    table = re.search(r'<section id="recognisers">.*?</section>', page, flags=re.DOTALL)[0]
    assert table.count("<tr>") == 1 + 2
    assert "98.00% ± 1.23%" in table
    assert "4.56% at 0.001" in table
    assert table.count("<li>") == 1
    assert "separation 4.75 to 4.90, accuracy 95.00% to 98.00%, p = 1e-06" in table
    assert report.to_dict()["verifications"][1]["warnings"]


def test_figures_take_the_colours_of_the_page(page) -> None:
    figures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(figures) == 2 + 2 + 1 + 1
    for figure in figures:
        assert "var(--ink)" in figure
        assert "#1c1d21" not in figure
        assert "<metadata>" not in figure


def test_a_small_report_leaves_out_what_it_does_not_have(make_bed) -> None:
    bed = replace(make_bed(variants=(RAW,)), differences=(), det=None)
    page = render(Report("Small", (bed,)))
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings[0] == "Made-up · none &amp; all"
    assert headings[-2:] == ["How this was made", "Terms"]
    assert "Label optimisation" not in page
    assert 'href="#det"' not in page
    assert 'href="#recognisers"' not in page
