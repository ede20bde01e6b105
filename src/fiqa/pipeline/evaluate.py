"""Stage evaluate: error versus discard of quality scores, with tables, figures and a report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.protocols import Progress
from ..core.types import Failure, QualityScores, SampleSet
from ..io.atomic import HEADER, atomic
from ..io.crops import CropFolder
from ..io.store import (
    FAILURES,
    SAMPLES,
    read_embeddings,
    read_failures,
    read_json,
    read_samples,
    read_scores,
    write_json,
)
from ..io.tables import naming, write_table
from .settings import Stage, setting

if TYPE_CHECKING:
    from ..evaluate.caveats import Caveat
    from ..evaluate.contact_sheet import ContactSheet
    from ..evaluate.evaluation import Scored
    from ..evaluate.label_shift import LabelShift
    from ..evaluate.results import Report, TestBed
    from ..evaluate.verification import Verification

_SHEET = 24
_MOVED = 12


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
    absent: Literal["refuse", "skip"] = setting(
        "refuse", help="Pairs of samples without embedding or failure: refuse or skip."
    )
    non_mated: int = setting(1_000_000, help="Non-mated pairs to draw for `all`.")
    replicates: int = setting(1000, help="Bootstrap draws of subjects; 0 leaves intervals out.")
    seed: int = setting(0, help="Seed of pairs and bootstrap.")
    trained_on: tuple[Path, ...] = setting(
        (), help="Samples that quality models or recognisers were trained on; may be repeated."
    )
    verification: tuple[Path, ...] = setting((), help="Written by `fiqa verify`; may be repeated.")
    crops: Path | None = setting(None, help="Crop folder of the scored images, for contact sheets.")
    base_labels: tuple[Path, ...] = setting((), help="Labels before optimisation; may be repeated.")
    optimised_labels: tuple[Path, ...] = setting((), help="The same after it, in the same order.")
    diagnostics: tuple[Path, ...] = setting((), help="What `fiqa optimize --diagnostics` wrote of them.")
    label_crops: Path | None = setting(None, help="Crop folder of the labelled images.")
    title: str = setting("Face image quality: error versus discard", help="Headline of the report.")

    def run(self, progress: Progress) -> None:
        """Write report.html, results.json, curves.csv, table.tex and the figures."""
        from ..comparisons.compare import compare
        from ..evaluate import CONVENTIONS
        from ..evaluate.evaluation import EvaluationSettings, evaluate_test_bed
        from .benchmarks import open_benchmark

        if len(self.base_labels) != len(self.optimised_labels):
            raise SettingsError("--base-labels and --optimised-labels must be given in pairs")
        if len(self.diagnostics) not in (0, len(self.base_labels)):
            raise SettingsError("--diagnostics must be given for all --optimised-labels or for none")
        settings = EvaluationSettings(
            CONVENTIONS.load(self.convention), fmr=self.fmr, replicates=self.replicates, seed=self.seed
        )
        verifications = tuple(_verification(path) for path in self.verification)
        scored = [_read(item) for item in self.scores]
        methods = list(dict.fromkeys(item.method for item in scored))
        scored.sort(key=lambda item: methods.index(item.method))
        beds: list[TestBed] = []
        failures: dict[Failure, None] = {}
        total = len(self.embeddings) * len(self.pairs)
        for folder in self.embeddings:
            embeddings, samples = read_embeddings(folder), read_samples(folder / SAMPLES)
            failed = read_failures(folder / FAILURES)
            failures |= dict.fromkeys(failed)
            for spec in self.pairs:
                progress(len(beds), total)
                benchmark = open_benchmark(
                    spec,
                    samples,
                    non_mated=self.non_mated,
                    seed=self.seed,
                    failed=failed,
                    absent=self.absent,
                )
                tested = benchmark.subjects(samples)
                beds.append(
                    evaluate_test_bed(
                        benchmark.name,
                        compare(benchmark.embeddings(embeddings), benchmark.pairs),
                        samples=tested,
                        scored=[item._replace(scores=benchmark.quality(item.scores)) for item in scored],
                        settings=settings,
                        known=overlaps(self.trained_on, tested),
                    )
                )
        self._write(replace(self._report(beds, scored, list(failures)), verifications=verifications))
        progress(total, total)

    def _report(self, beds: list[TestBed], scored: Sequence[Scored], failures: list[Failure]) -> Report:
        from ..evaluate.evaluation import EvaluationSettings
        from ..evaluate.results import Report

        return Report(
            self.title,
            test_beds=tuple(beds),
            measures=EvaluationSettings().measures,
            settings={
                key: value
                for key, value in self.settings().items()
                if key != "output" and value not in (None, "", [])
            },
            sheets=self._sheets(scored),
            shifts=tuple(
                self._shift(read_scores(base), read_scores(optimised), diagnostics)
                for base, optimised, diagnostics in itertools.zip_longest(
                    self.base_labels, self.optimised_labels, self.diagnostics
                )
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

    def _shift(self, base: QualityScores, optimised: QualityScores, diagnostics: Path | None) -> LabelShift:
        from ..evaluate.label_shift import LabelShift

        folder = None if self.label_crops is None else CropFolder.open(self.label_crops)
        subjects = base.sample_ids if folder is None else folder.samples.at(base.sample_ids).subject_ids
        found = {} if diagnostics is None else read_json(diagnostics)
        counts = np.sum(found.pop("similarity", np.zeros((1, 0))), axis=0)
        shift = LabelShift(
            base.method,
            base,
            optimised,
            subjects,
            diagnostics={name: value for name, value in found.items() if not isinstance(value, list)},
            mated_similarity=(counts, np.linspace(-1, 1, len(counts) + 1)) if len(counts) else None,
        )
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
        from ..evaluate.figures import edc_figure, png, svg
        from ..evaluate.report import render
        from ..evaluate.tables import curve_table, latex_table

        with atomic(self.output) as folder:
            folder.mkdir()
            (folder / "report.html").write_text(render(report), encoding="utf-8")
            write_json(folder / "results.json", report.to_dict())
            write_table(folder / "curves.csv", curve_table(report.test_beds))
            (folder / "table.tex").write_text(
                latex_table(report.test_beds, report.measures[0]), encoding="utf-8"
            )
            for number, bed in enumerate(report.test_beds):
                figure = edc_figure(bed)
                name = f"edc-{bed.benchmark}-{bed.recogniser}-{number}"
                (folder / f"{name}.svg").write_text(svg(figure), encoding="utf-8")
                (folder / f"{name}.png").write_bytes(png(figure))
            write_json(folder / HEADER, {"provenance": self.provenance("report").to_json()})


def overlaps(trained_on: Sequence[Path], tested: SampleSet) -> tuple[Caveat, ...]:
    """Warnings about subjects that are tested and were trained on."""
    from ..evaluate.caveats import training_overlap

    return tuple(
        caveat
        for path in trained_on
        for caveat in training_overlap(tested, read_samples(path), model=f"what was trained on {path.name}")
    )


def _read(item: str) -> Scored:
    """[METHOD[:ROW]=]FILE; without names those in the file are taken."""
    from ..evaluate.evaluation import Scored
    from ..evaluate.results import RAW

    names, sign, file = item.rpartition("=")
    scores = read_scores(Path(file))
    method, _, row = names.partition(":") if sign else (scores.method, "", "")
    return Scored(method, row or RAW, scores)


def _verification(path: Path) -> Verification:
    from ..evaluate.verification import Verification

    with naming(path):
        return Verification.from_dict(read_json(path))


def _sheet(title: str, folder: CropFolder, scores: QualityScores, rows: NDArray[np.intp]) -> ContactSheet:
    from ..core.arrays import positions
    from ..evaluate.contact_sheet import ContactSheet

    names = scores.sample_ids[rows]
    images = folder.load(positions(names, folder.samples.sample_ids, what=f"crops in {folder.folder}")).images
    return ContactSheet(title, images, scores.values[rows], names)


def _as_scores(base: QualityScores, values: NDArray[np.floating]) -> QualityScores:
    return QualityScores(base.sample_ids, values, base.method)
