"""Write docs/methods.md from the table of methods and the costs in speed/results/methods.csv.

python -m benchmarks.methods_table
"""

from __future__ import annotations

import csv

from benchmarks.machine import ROOT

from fiqa.methods import METHODS, MethodRow
from fiqa.models.layouts import layouts_of

PAGE = ROOT / "docs" / "methods.md"
COSTS = ROOT / "benchmarks" / "speed" / "results" / "methods.csv"
RECOGNISERS = ("arcface_mbf", "sface")

_INTRODUCTION = """\
# Methods

Higher = more useful, for every method here. This page is written by `python -m benchmarks.methods_table` from the table
of methods (`fiqa methods`) and from measured costs.

| column | meaning |
|---|---|
| gives | scores of any crop; labels of samples whose subjects are known; both |
| needs | what scoring needs: a recogniser, a *torch* recogniser (the network must be cut or differentiated), the method's official weights, a model trained here; or embeddings, for labels |
| grad. | whether gradients through the recogniser are needed |
| trains | whether `fiqa train --objective` knows its loss; every source of labels can be learnt with `--labels` |
| ms | milliseconds a crop in a batch, {costs} |
| licence | of the official weights; methods that run on a recogniser of yours come under its terms |

| method | what it is | gives | needs | grad. | trains | range | ms | licence | source |
|---|---|---|---|---|---|---|---|---|---|
"""

_FILES = """
## Official weights

Each is recognised by the names and shapes of its tensors (`fiqa weights inspect FILE`) and refused if one is missing or
too many. No weights are shipped.

| method | layout | published as | input | licence |
|---|---|---|---|---|
"""

_NOTES = """
PCNet has no official weights. SER-FIQ and FaceQAN have none of their own: they run on any recogniser, in publication on
ArcFace (`--recogniser torch:insightface-0000.params` reads the MXNet file) and CosFace. Costs of official networks are
those of the largest layout, with random weights.
"""


def render() -> str:
    """The page."""
    with COSTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = rows[0]
    measured = f"on {' / '.join(RECOGNISERS)}, {first['machine']}, {first['date']}, commit {first['commit']}"
    costs = {(row["method"], row["recogniser"]): row["ms_per_crop"] for row in rows if row["way"] == "ours"}
    table = "".join(_line(*_cells(row, costs)) for row in METHODS)
    return _INTRODUCTION.format(costs=measured) + table + _FILES + _layouts() + _NOTES


def _cells(row: MethodRow, costs: dict[tuple[str, str], str]) -> tuple[str, ...]:
    found = [costs[row.name, name] for name in RECOGNISERS if (row.name, name) in costs]
    if row.gives != "labels" and not found:
        found = [ms for (method, _), ms in costs.items() if method == row.name]
    if row.needs == "nothing":
        found = found[:1]
    official = row.needs == "weights" or any(layouts_of(row.name))
    flags = ("yes" if flag else "" for flag in (row.gradients, row.trains))
    return (
        f"`{row.name}`",
        row.summary,
        row.gives,
        row.needs,
        *flags,
        row.range,
        " / ".join(found),
        row.licence if official else "–",
        row.source,
    )


def _layouts() -> str:
    return "".join(
        _line(
            f"`{row.name}`",
            f"`{layout.name}`",
            ", ".join(f"`{file}`" for file in layout.files),
            f"{layout.spec.size} × {layout.spec.size} {layout.spec.colour.upper()}, "
            f"(x − {layout.spec.mean:g}) / {layout.spec.std:g}",
            layout.licence,
        )
        for row in METHODS
        for layout in layouts_of(row.name)
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |\n"


def main() -> None:
    PAGE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
