"""A page about scores: how they are spread, faces from the worst to the best, and why the worst are so."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.types import REASONS, Failure
from ..evaluate.contact_sheet import spread
from ..explain.factors import FACTOR_SPEC, factors
from ..explain.reasons import reasons
from ..io.atomic import atomic
from ..io.images import jpeg
from ..io.store import read_failures
from ..io.tables import read_table
from .source import Batch

SHEET, WORST, BARS = 60, 24, 40
"""Faces of the contact sheet, faces shown with reasons, bars of the histogram."""
_WIDE, _HIGH, _FOOT = 960, 200, 20

Load = Callable[[Sequence[str], Sequence[str]], Batch]
"""Faces of photographs, by their sample ids and paths."""


class _Face(NamedTuple):
    sample_id: str
    path: str
    score: float
    points: int | None

    @property
    def number(self) -> str:
        """The score as it is printed."""
        return f"{self.score:.3g}" if self.points is None else str(self.points)


def write_report(path: Path, tables: Sequence[Path], failures: Sequence[Path], load: Load) -> None:
    """Write the page, one file without script or network.

    Args:
        path: File to write.
        tables: Files of scores, read one after the other.
        failures: Files of failures.
        load: Gives the faces to show.
    """
    parts, points = [], []
    for one in tables:
        table = read_table(one)
        parts.append(table.numbers("score"))
        if "score100" in table:
            points.append(table.numbers("score100"))
        method = table.attribute("method", default="")
    scores, in_points = np.concatenate(parts), len(points) == len(parts)
    shown = np.concatenate(points) if in_points else scores
    order = np.argsort(scores, kind="stable")
    sheet, worst = spread(scores, SHEET) if len(scores) else order, order[:WORST]
    starts = np.cumsum([0, *map(len, parts)])
    faces = dict(_faces(tables, starts, np.union1d(sheet, worst)))
    pictures = _Pictures(load, list(faces.values()))
    failed = [item for one in failures for item in read_failures(one)]
    template = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=escape(f"Face image quality by {method}"),
        facts=_facts(shown, len(failed)),
        histogram=_histogram(shown),
        scale="0 to 100 points" if in_points else "the score",
        sheet="".join(pictures.small(faces[row]) for row in sheet.tolist()),
        worst="".join(pictures.large(faces[row]) for row in worst.tolist()),
        failures=_failures(failed),
    )
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


class _Pictures:
    """Thumbnails and reasons of the faces that are shown."""

    def __init__(self, load: Load, faces: Sequence[_Face]) -> None:
        photos = {_photo_id(face.sample_id): face.path for face in faces}
        self._batch = load(list(photos), list(photos.values()))
        self._rows = {name: row for row, name in enumerate(self._batch.samples.sample_ids.tolist())}

    def small(self, face: _Face) -> str:
        """A face of the contact sheet."""
        return f'<li title="{escape(face.sample_id)}">{self._image(face)}<b>{face.number}</b></li>'

    def large(self, face: _Face) -> str:
        """A face with what is wrong with it."""
        words = escape(", ".join(self._reasons(face)))
        name = escape(face.sample_id)
        return f"<li>{self._image(face)}<div><b>{face.number}</b> {words}<span>{name}</span></div></li>"

    def _image(self, face: _Face) -> str:
        row = self._rows.get(face.sample_id)
        if row is None:
            return ""
        content = base64.b64encode(jpeg(self._batch.crops.images[row])).decode()
        return f'<img alt="" src="data:image/jpeg;base64,{content}">'

    def _reasons(self, face: _Face) -> list[str]:
        row, crops = self._rows.get(face.sample_id), self._batch.crops
        measured = crops.landmarks is not None and crops.source_scale is not None
        if row is None or not measured or crops.images.shape[1] != FACTOR_SPEC.size:
            return []
        values = factors(crops.rows(slice(row, row + 1)))
        return [reason.words for reason in reasons({name: value[0] for name, value in values.items()})]


def _photo_id(sample_id: str) -> str:
    """The photograph of a face: further faces have ids that end in ``#1``, ``#2`` and so on."""
    photo, sign, number = sample_id.rpartition("#")
    return photo if sign and number.isdecimal() else sample_id


def _faces(
    tables: Sequence[Path], starts: NDArray[np.int64], rows: NDArray[np.intp]
) -> Iterator[tuple[int, _Face]]:
    """The faces at these rows of all tables, which start at these rows; other tables are not read."""
    for path, start, end in zip(tables, starts[:-1], starts[1:], strict=True):
        chosen = rows[(rows >= start) & (rows < end)]
        if not len(chosen):
            continue
        table = read_table(path)
        scores = table.numbers("score")
        points = table.integers("score100").tolist() if "score100" in table else None
        for row in chosen.tolist():
            here = row - start
            name, photo = str(table.column("sample_id")[here]), str(table.column("path")[here])
            yield row, _Face(name, photo, float(scores[here]), None if points is None else points[here])


def _facts(scores: NDArray[np.floating], failed: int) -> str:
    facts = {"faces": f"{len(scores):,}", "photos without a score": f"{failed:,}"}
    if len(scores):
        low, middle, high = np.quantile(scores, (0, 0.5, 1))
        facts |= {"worst": f"{low:.3g}", "median": f"{middle:.3g}", "best": f"{high:.3g}"}
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())


def _histogram(scores: NDArray[np.floating]) -> str:
    """Scores in bars of equal width, as SVG."""
    if not len(scores):
        return "<p>There is no score.</p>"
    counts, edges = np.histogram(scores, BARS)
    step, top = _WIDE / BARS, _HIGH - _FOOT
    bars = "".join(
        f'<rect x="{row * step + 1:.1f}" y="{top * (1 - count / counts.max()):.1f}" width="{step - 2:.1f}" '
        f'height="{top * count / counts.max():.1f}"><title>{count} from {edges[row]:.3g} to '
        f"{edges[row + 1]:.3g}</title></rect>"
        for row, count in enumerate(counts.tolist())
    )
    places = (("start", 0, edges[0]), ("middle", _WIDE / 2, edges.mean()), ("end", _WIDE, edges[-1]))
    ticks = "".join(
        f'<text x="{x}" y="{_HIGH - 4}" text-anchor="{anchor}">{value:.3g}</text>'
        for anchor, x, value in places
    )
    ticks += f'<text x="0" y="12">{counts.max():,} faces</text>'
    return (
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="Histogram of {len(scores)} scores">{bars}'
        f'<line x1="0" x2="{_WIDE}" y1="{top}" y2="{top}"/>{ticks}</svg>'
    )


def _failures(failed: Sequence[Failure]) -> str:
    if not failed:
        return ""
    rows = "".join(
        f"<tr><td>{count:,}</td><td>{escape(REASONS[reason])}</td></tr>"
        for reason, count in Counter(item.reason for item in failed).most_common()
    )
    return f"<h2>Photos without a score</h2><table><tr><th>photos</th><th>because</th></tr>{rows}</table>"
