"""Stage score: quality of each face by a method or a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import Progress
from ..core.types import QualityScores
from ..deploy.scorer import quick_side
from ..io.crops import CropFolder
from ..io.parts import Parts
from ..io.store import write_failures, write_scores
from .degradation import degradation_behind
from .models import DEPLOYED, REGRESSOR, MethodStage
from .settings import setting
from .source import Batch, chunks, failure_columns, failures_from, open_source


@dataclass(frozen=True, kw_only=True)
class Score(MethodStage):
    """Score photos, crops, or a crop folder; higher = more useful for recognition.

    Without a method or model the shipped model scores (see `fiqa models`). Columns: sample_id, path, face,
    score; of an exported or shipped model score100 (0 to 100), percentile in its reference set and, where it
    is calibrated, expected_fnmr; then the detector's confidence and box and the factors of the method where
    it has some. Photos without a result are listed in a .failures.csv beside the output.
    """

    name: ClassVar[str] = "score"
    writes_table: ClassVar[bool] = True
    photos: Path = setting(
        help="Folder or list of photos, a crop folder, or a .bin or .rec file.", argument=True
    )
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    strict: bool = setting(False, help="Refuse photos with several faces.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    detect_size: int | None = setting(
        None,
        help="Longer side of the copy of a photo that is searched first, 0 for none; "
        "160 for the largest face by exported and shipped models, else none.",
    )
    cache: Path | None = setting(
        None, help="Features of a crop folder, shared by models of one recogniser.", written=True
    )

    def degradation(self) -> str | None:
        """That of the images that are read."""
        return degradation_behind(self.photos, photographs=not self.aligned)

    def inputs(self) -> dict[str, Path]:
        """Every path that the stage reads; of a shipped model too."""
        if self.method_name(default=DEPLOYED) != DEPLOYED:
            return super().inputs()
        from ..deploy.model import card_file, model_file

        model = model_file(self.model)
        return {**super().inputs(), "model": model, "card": card_file(model)}

    def run(self, progress: Progress) -> None:
        """Write the scores; a killed run goes on where it ended."""
        name = self.method_name(default=DEPLOYED)
        if self.model is not None and self.cache is not None:
            self._score_cached(Path(self.model), self.cache, progress)
            return
        method = self.build(name)
        deployed = name == DEPLOYED
        quick = quick_side(self.detect_size, self.face) if deployed else self.detect_size or None
        source = open_source(
            self.photos,
            method.spec,
            aligned=self.aligned,
            face=self.face,
            strict=self.strict,
            quick_side=quick,
        )
        todo = chunks(source)

        def work(number: int) -> dict[str, NDArray[Any]]:
            batch: Batch = source.load(todo[number])
            scores = method.score(batch.crops)
            meaning = method.columns(scores) if hasattr(method, "columns") else {}
            factors = method.factors(batch.crops) if hasattr(method, "factors") else {}
            return {
                "sample_id": batch.samples.sample_ids,
                "path": batch.paths,
                "score": scores,
                **meaning,
                **batch.columns,
                **factors,
                **failure_columns(batch.failures),
            }

        provenance = self.provenance("scores")
        parts = Parts.beside(self.output, provenance)
        parts.run(len(todo), work, progress=progress)
        joined = parts.collect()
        failures = failures_from(joined)
        if not len(joined["sample_id"]):
            raise DataError(f"no usable face in {len(source.samples)} images of {self.photos}")
        scores = QualityScores(joined.pop("sample_id"), joined.pop("score"), method.name)
        write_scores(self.output, scores, columns=joined, provenance=provenance)
        if failures:
            write_failures(self.output.with_suffix(".failures.csv"), failures)
        parts.remove()

    def _score_cached(self, model: Path, cache: Path, progress: Progress) -> None:
        """Run a trained model above its cut alone, on features of the crops that are kept in the cache."""
        from ..models.checkpoint import load_regressor
        from ..train.scoring import score_crops

        folder = CropFolder.open(self.photos)
        regressor, record = load_regressor(model / REGRESSOR)
        scores = score_crops(folder, regressor, record=record, cache=cache, progress=progress)
        columns = {"path": folder.table.texts("photo"), "face": folder.table.column("face")}
        write_scores(self.output, scores, columns=columns, provenance=self.provenance("scores"))
