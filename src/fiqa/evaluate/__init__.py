"""How well quality scores foretell recognition errors: rates, discard curves, areas, intervals, report."""

from __future__ import annotations

from ..core.registry import Entry, Registry

CONVENTIONS: Registry[Entry] = Registry(
    "convention",
    (
        Entry(
            "iso",
            "fiqa.evaluate.conventions:ISO",
            "threshold fixed, mated pairs, steps, ties leave together",
            "ISO/IEC 29794-1:2024, clause 11.2; Schlett et al. 2023, arXiv 2303.13294",
        ),
        Entry(
            "published-2023",
            "fiqa.evaluate.conventions:PUBLISHED_2023",
            "threshold re-derived on a 5 % grid to 0.95, trapezoid: what most published tables used",
            "Babnik et al. 2023, arXiv 2305.14856 (inferred from its figures)",
        ),
        Entry(
            "cr-fiqa",
            "fiqa.evaluate.conventions:CR_FIQA",
            "as published-2023, threshold of the nearest observed FMR",
            "Boutros et al. 2023, arXiv 2112.06592, released evaluation",
        ),
        Entry(
            "magface",
            "fiqa.evaluate.conventions:MAGFACE",
            "as published-2023, threshold by index into the sorted non-mated similarities",
            "Meng et al. 2021, arXiv 2103.06627, released evaluation",
        ),
        Entry(
            "fiqat",
            "fiqa.evaluate.conventions:FIQAT",
            "as iso, to a discard fraction of 0.2, above the straight line",
            "Schlett et al. 2023, arXiv 2303.13294",
        ),
        Entry(
            "lightqnet",
            "fiqa.evaluate.conventions:LIGHTQNET",
            "threshold fixed, all pairs on a 1 % grid, trapezoid above the straight line",
            "Chen et al. 2021, doi 10.1109/LSP.2021.3112277, released evaluation",
        ),
    ),
)
