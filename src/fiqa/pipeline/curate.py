"""Stage curate: which images of a data set to keep, and the proof that it helps."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import positions
from ..core.errors import DataError, SettingsError, TooFewError
from ..core.protocols import Progress, QualityMethod
from ..core.types import EmbeddingSet, Failure, QualityScores, SampleSet
from ..deploy.curation import DROP, FLAG, KEEP, Curation, check_curation, curate
from ..io.atomic import atomic
from ..io.parts import Parts
from ..io.provenance import Provenance
from ..io.store import read_json, write_failures_beside, write_json
from ..io.tables import read_table, write_table
from ..models.embed import embed, embedding_set
from ..models.recognisers import load_recogniser
from .models import DEPLOYED, MethodStage
from .scored import group_column
from .settings import setting
from .source import Source, chunks, failure_columns, failures_from, in_images, open_source

if TYPE_CHECKING:
    from ..core.types import ComparisonScores
    from ..evaluate.contact_sheet import ContactSheet
    from ..evaluate.curation import Loss, Proof

_SHEET = 24
_LOSSES = ("n_samples", "n_dropped", "n_flagged", "share", "mean_score")


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Curate(MethodStage):
    """Say of each image of a data set whether to keep, drop or flag it, and prove the gain.

    Near-duplicates are dropped, then the images of lowest quality; what a subject needs for its minimum stays
    and is flagged. Columns: sample_id, subject_id, score, decision, reason. Beside the output: NAME.html and
    NAME.summary.json with verification error before and after, and after random removal of equal size;
    NAME.subjects.csv with the loss of each subject; NAME.failures.csv. Without a method or model the shipped
    model scores.
    """

    name: ClassVar[str] = "curate"
    counts: ClassVar[str] = "images"
    writes_table: ClassVar[bool] = True
    photographs: ClassVar[str] = "dataset"
    dataset: Path = setting(
        help="Folder of photos with a folder a subject, CSV or Parquet list, or crop folder.", argument=True
    )
    keep: float = setting(0.9, help="Share of images to keep by quality, near-duplicates aside.")
    min_per_subject: int = setting(3, help="Images that every subject keeps.")
    duplicates: float = setting(
        0.9, help="Cosine at which two images of a subject are copies of one; 2 finds none."
    )
    matcher: str = setting(
        "sface", help="Recogniser that compares the images: name, onnx:PATH or torch:PATH."
    )
    pairs: str = setting("all:20", help="Comparisons of the proof: all[:K], or KIND:PATH.")
    non_mated: int = setting(1_000_000, help="Non-mated pairs to draw for `all`.")
    fmr: float = setting(1e-3, help="False match rate at which the FNMR is given.")
    draws: int = setting(200, help="Random choices of equal size to compare with.")
    groups: Path | None = setting(None, help="Table of sample_id and a column of groups.")
    group_column: str = setting("group", help="Name of that column.")
    aligned: bool = setting(False, help="The images are aligned crops already.")

    def run(self, progress: Progress) -> None:
        """Write decisions and summary; a killed run goes on where it ended."""
        from ..comparisons.duplicates import near_duplicates

        if self.draws < 1:
            raise SettingsError(f"draws must be 1 or more, got {self.draws}")
        check_curation(keep=self.keep, min_per_subject=self.min_per_subject)
        if self.groups is not None:
            read_table(self.groups).column(self.group_column)
        method = self.build(self.method_name(default=DEPLOYED))
        source = open_source(self.dataset, method.spec, aligned=self.aligned)
        provenance = self.provenance("curation")
        parts = Parts.beside(self.output, provenance)
        samples, scores, embeddings, failures = self._measure(source, method, parts, progress)
        repeats = near_duplicates(embeddings, samples, scores, threshold=self.duplicates)
        found = curate(samples, scores, repeats, keep=self.keep, min_per_subject=self.min_per_subject)
        self._summarise(source, samples, scores, embeddings, found, provenance)
        table = {
            "sample_id": samples.sample_ids,
            "subject_id": samples.subject_ids,
            "score": scores.values,
            "decision": found.decisions,
            "reason": found.reasons,
        }
        write_failures_beside(self.output, failures)
        write_table(self.output, table, provenance=provenance)
        parts.remove()

    def beside(self) -> list[Path]:
        """The page with the proof, the same as JSON, and what each subject loses."""
        return [self.output.with_suffix(suffix) for suffix in (".html", ".summary.json", ".subjects.csv")]

    def found(self) -> str:
        """How many images stay, and what that does to the error."""
        summary = read_json(self.beside()[1])
        counts, proof = summary["counts"], summary["proof"]
        told = f"{counts['keep']} kept, {counts['flag']} flagged, {counts['drop']} dropped"
        if isinstance(proof, str):
            return told
        before, after = (f"{proof[name]['fnmr']:.2%}" for name in ("distinct", "curated"))
        chance = f"{proof['random']['estimate']:.2%}"
        return f"{told}; FNMR {before} before, {after} after, {chance} after a random choice"

    def _measure(
        self, source: Source, method: QualityMethod, parts: Parts, progress: Progress
    ) -> tuple[SampleSet, QualityScores, EmbeddingSet, list[Failure]]:
        """Quality and embedding of each face; both see the same faces, each in crops as it wants them."""
        matcher = load_recogniser(self.matcher)
        alike = (method.spec.crop, method.spec.size) == (matcher.spec.crop, matcher.spec.size)
        other = None if alike else open_source(self.dataset, matcher.spec, aligned=self.aligned)
        todo = chunks(source)

        def work(number: int) -> dict[str, NDArray[Any]]:
            batch = source.load(todo[number])
            crops = batch.crops if other is None else other.load(todo[number]).crops
            vectors, norms = embed(matcher, [crops.images])
            return {
                "sample_id": batch.samples.sample_ids,
                "subject_id": batch.samples.subject_ids,
                "score": method.score(batch.crops) if len(batch.crops) else np.zeros(0),
                "vectors": vectors,
                "norms": norms,
                **failure_columns(batch.failures),
            }

        parts.run(len(todo), work, progress=in_images(progress, todo))
        joined = parts.collect()
        failures = [*source.earlier, *failures_from(joined)]
        ids = joined["sample_id"]
        embeddings, zero = embedding_set(matcher, ids, vectors=joined["vectors"], norms=joined["norms"])
        if not len(embeddings):
            raise DataError(f"no usable face in {len(source.samples)} images of {self.dataset}")
        samples = SampleSet(ids, joined["subject_id"]).at(embeddings.sample_ids)
        usable = np.isin(ids, samples.sample_ids)
        scores = QualityScores(samples.sample_ids, joined["score"][usable], method.name)
        return samples, scores, embeddings, failures + zero

    def _summarise(
        self,
        source: Source,
        samples: SampleSet,
        scores: QualityScores,
        embeddings: EmbeddingSet,
        found: Curation,
        provenance: Provenance,
    ) -> None:
        """Write the page, the JSON and the table of subjects."""
        from ..evaluate.curation import Summary, losses
        from ..evaluate.report import page

        comparisons, proof = self._prove(samples, embeddings, found)
        gone, flagged = found.decisions == DROP, found.decisions == FLAG
        subjects = losses(samples.subject_ids, scores.values, dropped=gone, flagged=flagged)
        groups: list[Loss] = []
        if self.groups is not None:
            names = group_column(self.groups, self.group_column, samples.sample_ids)
            groups = losses(names, scores.values, dropped=gone, flagged=flagged)
            if comparisons is not None and not isinstance(proof, str):
                groups = [_with_error(one, names == one.name, comparisons, proof, found) for one in groups]
        counts = {name: int(np.count_nonzero(found.decisions == name)) for name in (KEEP, FLAG, DROP)}
        counts["near_duplicates"] = int(found.repeats.sum())
        counts["subjects_below_minimum"] = sum(one.n_samples < self.min_per_subject for one in subjects)
        settings = {key: value for key, value in self.settings().items() if value is not None}
        sheets = tuple(self._sheets(source, scores, found))
        summary = Summary(counts, found.threshold, scores.method, proof, subjects, groups, sheets, settings)
        columns = {"subject_id": "name", **{name: name for name in _LOSSES}}
        page_file, summary_file, subjects_file = self.beside()
        write_table(
            subjects_file,
            {name: np.array([getattr(one, key) for one in subjects]) for name, key in columns.items()},
        )
        write_json(summary_file, {**summary.to_dict(), "provenance": provenance.to_json()})
        with atomic(page_file) as temporary:
            temporary.write_text(page("curation.html.j2", summary=summary), encoding="utf-8")

    def _prove(
        self, samples: SampleSet, embeddings: EmbeddingSet, found: Curation
    ) -> tuple[ComparisonScores | None, Proof | str]:
        """The proof and what it compares, or why there is none."""
        from ..comparisons.compare import compare
        from ..evaluate.curation import prove
        from .benchmarks import open_benchmark

        if not (np.bincount(samples.subject_codes()) > 1).any():
            logger.warning("no subject has two images: nothing is proved; give each a folder of its own")
            return None, "no subject has two images to compare"
        benchmark = open_benchmark(
            self.pairs, samples, non_mated=self.non_mated, seed=self.seed, absent="skip"
        )
        if benchmark.templates is not None:
            raise SettingsError(f"--pairs {self.pairs} compares templates; name pairs of images, or all:20")
        pairs = benchmark.pairs
        rows = np.full(len(pairs.sample_ids), 0, np.int32)
        used = np.union1d(pairs.first, pairs.second)
        rows[used] = positions(pairs.sample_ids[used], samples.sample_ids, what="samples")
        over = replace(
            pairs, sample_ids=samples.sample_ids, first=rows[pairs.first], second=rows[pairs.second]
        )
        comparisons = compare(embeddings, over)
        try:
            return comparisons, prove(
                comparisons,
                samples,
                distinct=found.distinct,
                kept=found.kept,
                fmr=self.fmr,
                draws=self.draws,
                rng=np.random.default_rng(self.seed),
            )
        except TooFewError as error:
            return comparisons, str(error)

    def _sheets(self, source: Source, scores: QualityScores, found: Curation) -> list[ContactSheet]:
        """The worst images that go, and those that go as near-duplicates."""
        from ..evaluate.contact_sheet import ContactSheet

        sheets = []
        gone = found.decisions == DROP
        for title, chosen in (
            ("Dropped for low quality, worst first", gone & ~found.repeats),
            ("Dropped as near-duplicates", gone & found.repeats),
        ):
            rows = np.flatnonzero(chosen)
            rows = rows[np.argsort(scores.values[rows], kind="stable")][:_SHEET]
            if len(rows):
                names = scores.sample_ids[rows]
                batch = source.load(positions(names, source.samples.sample_ids, what="images"))
                sheets.append(ContactSheet(title, batch.crops.images, scores.values[rows], names))
        return sheets


def _with_error(
    one: Loss, members: NDArray[np.bool_], comparisons: ComparisonScores, proof: Proof, found: Curation
) -> Loss:
    from ..evaluate.curation import fnmr_within

    return replace(
        one,
        fnmr_before=fnmr_within(comparisons, members & found.distinct, threshold=proof.distinct.threshold),
        fnmr_after=fnmr_within(comparisons, members & found.kept, threshold=proof.curated.threshold),
    )
