"""Stage evaluate: error versus discard of quality scores, with tables, figures and a report."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.protocols import Progress
from ..core.types import EmbeddingSet, Failure, QualityScores, SampleSet
from ..io.atomic import HEADER, atomic
from ..io.crops import CropFolder
from ..io.store import FAILURES, SAMPLES, read_embeddings, read_failures, read_samples, read_scores, write_json
from .settings import Stage, setting

if TYPE_CHECKING:
    from ..evaluate.contact_sheet import ContactSheet
    from ..evaluate.label_shift import LabelShift
    from ..evaluate.results import Report, TestBed
    from .benchmarks import Benchmark

_SHEET = 24
_MOVED = 12


class Scored(NamedTuple):
    """Quality scores and the row of the table that they belong to."""

    method: str
    variant: str
    scores: QualityScores


@dataclass(frozen=True, kw_only=True)
class Evaluate(Stage):
    """Draw what error remains when the worst images are left out, and write report.html.

    Scores are named by --scores [METHOD[:ROW]=]FILE; rows of one method stand together in the table. Every
    --pairs (KIND:PATH, or all[:K] for all mated pairs among the first K samples of each subject) is compared
    by every --embeddings. The threshold is taken at the target FMR with nothing discarded.
    """

    name: ClassVar[str] = "evaluate"
    scores: tuple[str, ...] = setting(help="[METHOD[:ROW]=]FILE; may be repeated.")
    embeddings: tuple[Path, ...] = setting(help="Folder written by `fiqa embed`; may be repeated.")
    pairs: tuple[str, ...] = setting(("all",), help="KIND:PATH, or all[:K]; may be repeated.")
    fmr: float = setting(1e-3, help="False match rate of the threshold.")
    convention: str = setting("iso", help="How error-versus-discard curves are drawn.")
    non_mated: int = setting(1_000_000, help="Non-mated pairs to draw for `all`.")
    replicates: int = setting(1000, help="Bootstrap draws of subjects; 0 leaves intervals out.")
    seed: int = setting(0, help="Seed of pairs and bootstrap.")
    crops: Path | None = setting(None, help="Crop folder of the scored images, for contact sheets.")
    base_labels: tuple[Path, ...] = setting((), help="Labels before optimisation; may be repeated.")
    optimised_labels: tuple[Path, ...] = setting((), help="The same after it, in the same order.")
    label_crops: Path | None = setting(None, help="Crop folder of the labelled images.")
    title: str = setting("Face image quality: error versus discard", help="Headline of the report.")

    def run(self, progress: Progress) -> None:
        """Write report.html, results.json, curves.csv, table.tex and the figures."""
        from .benchmarks import open_benchmark

        if len(self.base_labels) != len(self.optimised_labels):
            raise SettingsError("--base-labels and --optimised-labels must be given in pairs")
        scored = [_read(item) for item in self.scores]
        beds: list[TestBed] = []
        failures: list[Failure] = []
        total = len(self.embeddings) * len(self.pairs)
        for folder in self.embeddings:
            embeddings, samples = read_embeddings(folder), read_samples(folder / SAMPLES)
            failures.extend(_failures(folder))
            for spec in self.pairs:
                progress(len(beds), total)
                benchmark = open_benchmark(spec, samples, non_mated=self.non_mated, seed=self.seed)
                beds.append(self._test_bed(benchmark, embeddings, samples, scored))
        report = self._report(beds, scored, failures)
        self._write(report)
        progress(total, total)

    def _test_bed(
        self, benchmark: Benchmark, embeddings: EmbeddingSet, samples: SampleSet, scored: Sequence[Scored]
    ) -> TestBed:
        from ..comparisons.compare import compare
        from ..core.types import ComparisonScores
        from ..evaluate.caveats import caveats
        from ..evaluate.conventions import CONVENTIONS
        from ..evaluate.edc import discard_order
        from ..evaluate.error_rates import det, threshold_at_fmr, verification_accuracy
        from ..evaluate.resample import bootstrap
        from ..evaluate.results import Evaluation, TestBed

        comparisons = compare(embeddings, benchmark.pairs)
        convention = CONVENTIONS.get(self.convention)
        held = None
        if convention.threshold == "fixed":
            held = threshold_at_fmr(
                comparisons.non_mated, self.fmr, rule=convention.rule, mated=comparisons.mated
            )
        mated = benchmark.pairs.mated
        counted = comparisons
        if held is not None and convention.population == "counted":
            counted = ComparisonScores(
                benchmark.pairs.rows(mated), comparisons.similarity[mated], comparisons.recogniser
            )
        orders = {
            (item.method, item.variant): discard_order(
                counted,
                QualityScores(item.scores.sample_ids, item.scores.values, f"{item.method} · {item.variant}"),
                convention=convention,
                fmr=self.fmr,
                threshold=held,
            )
            for item in scored
        }
        drawn = None
        if self.replicates:
            drawn = bootstrap(
                list(orders.values()),
                samples,
                measures=_measures(),
                replicates=self.replicates,
                rng=np.random.default_rng(self.seed),
            )
        evaluations = []
        for (method, variant), order in orders.items():
            curve = order.curve()
            intervals = {item: drawn.interval(order.method, item) for item in _measures()} if drawn else {}
            warnings = caveats(curve, comparisons, fmr=self.fmr)
            evaluations.append(Evaluation(method, variant, curve, intervals, warnings))
        contrasts = _contrasts(list(orders))
        used = np.unique(np.concatenate([benchmark.pairs.first, benchmark.pairs.second]))
        subjects = samples.at(benchmark.pairs.sample_ids[used]).subject_ids
        return TestBed(
            benchmark.name,
            embeddings.recogniser,
            n_subjects=len(np.unique(subjects)),
            n_images=len(used),
            n_mated=int(mated.sum()),
            n_non_mated=int((~mated).sum()),
            fmr=self.fmr,
            evaluations=tuple(evaluations),
            differences=drawn.differences(_measures()[0], contrasts) if drawn and contrasts else (),
            det=det(comparisons),
            accuracy=None if benchmark.pairs.folds is None else verification_accuracy(comparisons),
        )

    def _report(self, beds: list[TestBed], scored: Sequence[Scored], failures: list[Failure]) -> Report:
        from ..evaluate.results import Report

        return Report(
            self.title,
            test_beds=tuple(beds),
            measures=_measures(),
            settings={key: value for key, value in self.settings().items() if key != "output"},
            sheets=self._sheets(scored),
            shifts=tuple(
                self._shift(read_scores(base), read_scores(optimised))
                for base, optimised in zip(self.base_labels, self.optimised_labels, strict=True)
            ),
            failures=tuple(failures),
        )

    def _sheets(self, scored: Sequence[Scored]) -> tuple[ContactSheet, ...]:
        from ..evaluate.contact_sheet import spread

        if self.crops is None:
            return ()
        folder = CropFolder.open(self.crops)
        return tuple(
            _sheet(f"{item.method}, {item.variant}", folder, item.scores, spread(item.scores.values, _SHEET))
            for item in scored
        )

    def _shift(self, base: QualityScores, optimised: QualityScores) -> LabelShift:
        from dataclasses import replace

        from ..evaluate.label_shift import LabelShift

        folder = None if self.label_crops is None else CropFolder.open(self.label_crops)
        subjects = base.sample_ids if folder is None else folder.samples.at(base.sample_ids).subject_ids
        shift = LabelShift(base.method, base, optimised, subjects)
        if folder is None:
            return shift
        sheets = {
            name: _sheet(f"{base.method}: {name} most", folder, _as_scores(base, shift.shift), rows)
            for name, rows in (
                ("raised", shift.moved(_MOVED, up=True)),
                ("lowered", shift.moved(_MOVED, up=False)),
            )
            if len(rows)
        }
        return replace(shift, raised=sheets.get("raised"), lowered=sheets.get("lowered"))

    def _write(self, report: Report) -> None:
        from ..evaluate.figures import figures
        from ..evaluate.report import render
        from ..evaluate.tables import curve_rows, latex

        with atomic(self.output) as folder:
            folder.mkdir()
            (folder / "report.html").write_text(render(report), encoding="utf-8")
            write_json(folder / "results.json", report.to_dict())
            rows = curve_rows(report)
            with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
            (folder / "table.tex").write_text(latex(report), encoding="utf-8")
            for name, content in figures(report).items():
                (folder / name).write_bytes(content)
            write_json(folder / HEADER, {"provenance": self.provenance("report").to_json()})


def _read(item: str) -> Scored:
    """[METHOD[:ROW]=]FILE; without names those in the file are taken."""
    names, sign, file = item.rpartition("=")
    scores = read_scores(Path(file))
    method, _, row = names.partition(":") if sign else (scores.method, "", "")
    return Scored(method, row or "raw", scores)


def _measures() -> tuple:
    from ..evaluate.pauc import Measure

    return Measure("normalised", 0.3), Measure("raw", 0.3), Measure("raw", 0.95)


def _contrasts(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each row of a method against the row before it and against its first one, each pair once."""
    found: list[tuple[str, str]] = []
    for method in dict.fromkeys(method for method, _ in names):
        rows = [f"{name} · {variant}" for name, variant in names if name == method]
        for index in range(1, len(rows)):
            found += [(rows[index], rows[earlier]) for earlier in sorted({0, index - 1, min(1, index - 1)})]
    return list(dict.fromkeys(found))


def _sheet(title: str, folder: CropFolder, scores: QualityScores, rows: NDArray[np.intp]) -> ContactSheet:
    from ..core.arrays import positions
    from ..evaluate.contact_sheet import ContactSheet

    names = scores.sample_ids[rows]
    images = folder.load(positions(names, folder.samples.sample_ids, what=f"crops in {folder.folder}")).images
    return ContactSheet(title, images, scores.values[rows], names)


def _as_scores(base: QualityScores, values: NDArray[np.floating]) -> QualityScores:
    return QualityScores(base.sample_ids, values, base.method)


def _failures(folder: Path) -> list[Failure]:
    file = folder / FAILURES
    return read_failures(file) if file.exists() else []
