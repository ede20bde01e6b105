"""Stage edc: the error-versus-discard characteristic of one table of comparisons and one of scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ..core.protocols import Progress
from ..core.types import ComparisonScores, QualityScores
from ..io.store import read_comparisons, read_json, read_scores, write_json
from .scored import ScoredComparisons
from .settings import setting

if TYPE_CHECKING:
    from ..evaluate.caveats import Caveat
    from ..evaluate.conventions import Convention
    from ..evaluate.edc import EdcCurve
    from ..evaluate.pauc import Areas


@dataclass(frozen=True, kw_only=True)
class Edc(ScoredComparisons):
    """Draw what error remains when the pairs of lowest quality are left out, and measure its area.

    The JSON holds threshold, fnmr0, discard, error, areas (raw, mean, normalised, excess over the best that
    any order could reach), convention and warnings; with --replicates intervals over drawn subjects, with
    --groups the same for each group.
    """

    name: ClassVar[str] = "edc"
    output: Path = setting(help="JSON file to write.", written=True, flags=("--json", "-o"))
    convention: str = setting(
        "iso", help="iso, published-2023, cr-fiqa, magface, fiqat or lightqnet: how the curve is drawn."
    )
    limit: float | None = setting(None, help="Discard fraction of the areas; else the convention's own.")
    error: Literal["fnmr", "fmr"] = setting("fnmr", help="fnmr, or fmr for false matches versus discard.")
    replicates: int = setting(0, help="Bootstrap draws of subjects; 0 leaves intervals out.")
    trained_on: tuple[Path, ...] = setting(
        (), help="Samples that the quality method or the recogniser was trained on; may be repeated."
    )

    def run(self, progress: Progress) -> None:
        """Write the JSON."""
        from ..evaluate import CONVENTIONS
        from ..evaluate.edc import discard_order
        from ..evaluate.fairness import by_group
        from ..evaluate.pauc import areas

        comparisons, quality = read_comparisons(self.comparisons), read_scores(self.quality)
        convention = CONVENTIONS.load(self.convention)
        order = discard_order(
            comparisons,
            quality,
            convention=convention,
            fmr=self.fmr,
            threshold=self.threshold,
            error=self.error,
        )
        curve = order.curve()
        found = areas(curve, limit=self.limit)
        result: dict[str, Any] = {
            **curve.to_dict(),
            "areas": found.to_dict(),
            "convention": convention.name,
            "drawn_by": convention.to_dict(),
            "fmr": None if self.threshold is not None else self.fmr,
            "n_mated": len(comparisons.mated),
            "n_non_mated": len(comparisons.non_mated),
            "warnings": [f"{one.code}: {one.message}" for one in self._caveats(curve, comparisons, quality)],
        }
        if self.replicates:
            result |= self._intervals(comparisons, quality, convention, found)
        groups = self.group_names(quality)
        if groups is not None:
            result["groups"] = [one.to_dict(limit=self.limit) for one in by_group(order, quality, groups)]
        write_json(self.output, {**result, "provenance": self.provenance("edc").to_json()})
        progress(1, 1)

    def found(self) -> str:
        """Error before anything is discarded, and the area; as many warnings as there are."""
        result = read_json(self.output)
        kind, limit, area = result["error_kind"], *map(result["areas"].get, ("limit", "normalised"))
        area = "" if area is None else f"; normalised pAUC to {limit:g}: {area:.3f}"
        told = f"{kind.upper()} {result[f'{kind}0']:.2%} before discarding{area}"
        return "\n".join([told, *result["warnings"]])

    def _caveats(
        self, curve: EdcCurve, comparisons: ComparisonScores, quality: QualityScores
    ) -> tuple[Caveat, ...]:
        from ..evaluate.caveats import caveats
        from .evaluate import overlaps

        found = caveats(curve, comparisons, fmr=None if self.threshold is not None else self.fmr)
        if not self.trained_on:
            return found
        return found + overlaps(self.trained_on, self.subjects(comparisons, quality).samples)

    def _intervals(
        self, comparisons: ComparisonScores, quality: QualityScores, convention: Convention, found: Areas
    ) -> dict[str, Any]:
        """Areas with intervals; a fixed threshold is held."""
        from ..evaluate.edc import discard_order
        from ..evaluate.evaluation import hold_threshold
        from ..evaluate.pauc import AREA_KINDS, Measure
        from ..evaluate.resample import bootstrap

        threshold, counted = self.threshold, comparisons
        if threshold is None and self.error == "fnmr":
            threshold, counted = hold_threshold(comparisons, convention, fmr=self.fmr)
        order = discard_order(
            counted, quality, convention=convention, fmr=self.fmr, threshold=threshold, error=self.error
        )
        subjects = self.subjects(comparisons, quality)
        measures = [Measure(kind, found.limit) for kind in AREA_KINDS if getattr(found, kind) is not None]
        drawn = bootstrap(
            [order],
            subjects.samples,
            measures=measures,
            replicates=self.replicates,
            rng=np.random.default_rng(self.seed),
        )
        return {
            "intervals": {one.kind: drawn.interval(quality.method, one).to_dict() for one in measures},
            "n_subjects": drawn.n_subjects,
            "subjects_from": subjects.source,
            "n_undefined": drawn.n_undefined,
        }
