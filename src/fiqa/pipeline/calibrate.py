"""Stage calibrate: what quality scores mean on one's own comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..core.protocols import Progress
from ..io.store import read_comparisons, read_scores, write_calibration
from .scored import ScoredComparisons
from .settings import setting


@dataclass(frozen=True, kw_only=True)
class Calibrate(ScoredComparisons):
    """Learn from your own comparisons which error rate a score foretells, for `fiqa advise` and for scoring.

    The JSON holds the expected FNMR of a mated pair whose worse image has a given score, the FNMR of the
    pairs kept when every image below a score is discarded, both with bands, and percentiles of the scores.
    """

    name: ClassVar[str] = "calibrate"
    reference: str | None = setting(None, help="Name of the set of scored samples; else the file's name.")
    min_samples: int = setting(2, help="Samples that a subject should keep.")
    replicates: int = setting(1000, help="Bootstrap draws of subjects.")
    confidence: float = setting(0.95, help="Nominal coverage of the bands.")

    def run(self, progress: Progress) -> None:
        """Write the calibration as JSON."""
        from ..evaluate.calibrate import CalibrationSettings, calibrate

        comparisons, quality = read_comparisons(self.comparisons), read_scores(self.quality)
        progress(0, len(comparisons))
        calibration = calibrate(
            comparisons,
            quality,
            subjects=self.subjects(comparisons, quality),
            reference=self.reference or self.quality.stem,
            groups=self.group_names(quality),
            settings=CalibrationSettings(
                fmr=self.fmr,
                threshold=self.threshold,
                min_samples=self.min_samples,
                replicates=self.replicates,
                confidence=self.confidence,
                seed=self.seed,
            ),
        )
        write_calibration(self.output, calibration, provenance=self.provenance("calibration"))
        progress(len(comparisons), len(comparisons))
