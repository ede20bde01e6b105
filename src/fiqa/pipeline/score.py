"""Stage score: quality of each face by a method or a trained model."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.ahead import available_processors
from ..core.arrays import positions
from ..core.errors import DataError, SettingsError
from ..core.protocols import InputSpec, Progress, QualityMethod
from ..core.types import QualityScores, SampleSet
from ..explain.factors import FACTOR_SPEC
from ..io.atomic import HEADER, check_output
from ..io.crops import CropFolder
from ..io.inputs import Inputs, stamp
from ..io.parts import Each, Parts
from ..io.provenance import Provenance
from ..io.store import failures_beside, write_failures_beside, write_json, write_scores
from ..io.tables import count_rows, is_table, read_provenance, shard, shards
from .degradation import degradation_behind
from .execute import each_by
from .models import DEPLOYED, LEARNED, REGRESSOR, MethodStage, without_missing
from .settings import setting
from .source import Batch, Source, chunks, failure_columns, failures_from, in_images, is_archive, open_source

logger = logging.getLogger(__name__)

CHUNK = 64
"""Photographs that one thread works through at a time: what is lost at most when a run is killed."""
_HOW = ("output", "report", "workers", "executor")
"""Settings that say where and how, not what: scores do not depend on them."""


@dataclass(frozen=True, kw_only=True)
class Score(MethodStage):
    """Score photos, crops, or a crop folder; higher = more useful for recognition.

    PHOTOS are photos, folders of them, patterns in quotes, .txt lists with a path a line, - for such a list
    on standard input; or one crop folder, one CSV or Parquet list, one .bin or .rec file.

    Without a method or model the shipped model scores (see `fiqa models`). Columns: sample_id, path, face,
    score; of an exported or shipped model score100 (0 to 100), percentile in its reference set and, where it
    is calibrated, expected_fnmr; then the detector's confidence and box and the factors of the method where
    it has some. Photos without a result are listed in a .failures.csv beside the output.

    An output without an ending is a folder of Parquet files, for any number of photos in little memory. The
    same command after a kill goes on where it ended, to the same bytes.
    """

    name: ClassVar[str] = "score"
    counts: ClassVar[str] = "images"
    writes_table: ClassVar[bool] = True
    photos: tuple[Path, ...] = setting(help="Photos, folders, patterns, lists, or -.", argument=True)
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    strict: bool = setting(False, help="Refuse photos with several faces.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    min_score: float | None = setting(None, help="Leave out faces with a score (native) below this one.")
    report: Path | None = setting(
        None, help="HTML page to write: contact sheet, histogram, worst photos with reasons.", written=True
    )
    workers: int | None = setting(None, help="Threads; all processors by default.")
    executor: Literal["local", "ray"] = setting("local", help="local, or ray for a cluster.")
    shard_size: int = setting(50_000, help="Photos a file where the output is a folder.")
    cache: Path | None = setting(
        None, help="Features of a crop folder, shared by models of one recogniser.", written=True
    )

    def __post_init__(self) -> None:
        if not self.photos:
            raise SettingsError("name photos, folders, patterns or lists to score")
        if min(self.shard_size, 1 if self.workers is None else self.workers) < 1:
            raise SettingsError(
                f"--workers and --shard-size must be 1 or more, got {self.workers} and {self.shard_size}"
            )
        if self.report is not None and self.report.suffix.lower() not in (".html", ".htm"):
            raise SettingsError(f"{self.report} is written as HTML and must end in .html")
        if self.single is None and any(map(_is_single, self.photos)):
            raise SettingsError(
                "a crop folder, a CSV or Parquet list, a .bin or a .rec file is scored alone, got it among "
                f"{', '.join(map(str, self.photos))}"
            )

    @property
    def single(self) -> Path | None:
        """The only input where it is no photo, folder or list of paths."""
        return self.photos[0] if len(self.photos) == 1 and _is_single(self.photos[0]) else None

    @property
    def sharded(self) -> bool:
        """Whether the output is a folder."""
        return not self.output.suffix

    def check_output(self) -> None:
        """Refuse an output that could not be written, and a cache that would not be used."""
        if self.cache is not None and self.method_name(default=DEPLOYED) != LEARNED:
            raise SettingsError("--cache is for a --model of `fiqa train`, whose features it keeps")
        if not self.sharded:
            super().check_output()
            return
        if self.single is not None or self.cache is not None:
            raise SettingsError(
                f"{self.output} has no ending and so is a folder of shards, for photos alone; "
                f"name a .parquet, .csv or .json file"
            )
        check_output(self.output)

    def degradation(self) -> str | None:
        """That of the images that are read."""
        return degradation_behind(self.single, photographs=not self.aligned)

    def inputs(self) -> dict[str, Path]:
        """Every path that the stage reads; of a shipped model too. Photos among several may be missing."""
        found = without_missing(super().inputs(), self.photos)
        if self.method_name(default=DEPLOYED) != DEPLOYED:
            return found
        from ..deploy.model import card_file, model_file

        model = model_file(self.model)
        return {**found, "model": model, "card": card_file(model)}

    def run(self, progress: Progress) -> None:
        """Write the scores; a killed run goes on where it ended."""
        if self.cache is not None:
            assert self.model is not None  # by check_output
            self._score_cached(Path(self.model), self.cache, progress)
        else:
            self._score(progress)
        if self.report is not None:
            self._write_report(self.report)

    def _score(self, progress: Progress) -> None:
        name = self.method_name(default=DEPLOYED)
        workers = self.workers or available_processors()
        inside = 1 if name == DEPLOYED or self.executor == "ray" else workers
        method = self.build(name, threads=1)
        with each_by(self.executor, workers=workers if name == DEPLOYED else 1) as each:
            scoring = _Scoring(self, method, each, inside)
            if self.single is not None:
                found = scoring.write(self.single, self.output, progress)
            elif not self.sharded:
                (samples,) = Inputs.of(self.photos).batches()
                found = scoring.write(samples, self.output, progress)
            else:
                found = self._write_shards(Inputs.of(self.photos), scoring, progress)
        logger.info("%s: %d faces", self.output, found)

    def _write_shards(self, inputs: Inputs, scoring: _Scoring, progress: Progress) -> int:
        """Write each shard that is not there yet; how many faces are in all."""
        total, done, faces, files = sum(1 for _ in inputs), 0, 0, []
        header = {"provenance": self.made().to_json()}
        write_json(self.output / HEADER, header)  # without the number of shards: not complete
        for number, samples in enumerate(inputs.batches(self.shard_size)):
            files.append(shard(self.output, number))
            faces += scoring.write(samples, files[-1], partial(_shifted, progress, done, total))
            progress(done := done + len(samples), total)
        for path in set(shards(self.output)) - set(files):
            path.unlink()
            failures_beside(path).unlink(missing_ok=True)
        write_json(self.output / HEADER, {**header, "shards": len(files)})
        return faces

    @property
    def tables(self) -> list[Path]:
        """What was written: the output, or its shards."""
        return shards(self.output) if self.sharded else [self.output]

    def beside(self) -> list[Path]:
        """The report."""
        return [] if self.report is None else [self.report]

    def failure_files(self) -> list[Path]:
        """The files that list images without a result, one a shard."""
        return [beside for table in self.tables if (beside := failures_beside(table)).exists()]

    def _write_report(self, path: Path) -> None:
        from .score_report import write_report

        write_report(path, self.tables, self.failure_files(), self._faces)

    def _faces(self, sample_ids: Sequence[str], paths: Sequence[str]) -> Batch:
        """Some of the faces, with all that reasons need where they come from photographs."""
        spec = self.build(self.method_name(default=DEPLOYED)).spec
        ids = np.array(sample_ids, np.str_)
        if self.single is None:
            given: Path | SampleSet = SampleSet(ids, ids, np.array(paths, np.str_))
            spec = spec if self.aligned else FACTOR_SPEC
        else:
            given = self.single
        source = self.source(given, spec, threads=1)
        return source.load(positions(ids, source.samples.sample_ids, what=str(self.output)))

    def source(self, given: Path | SampleSet, spec: InputSpec, *, threads: int) -> Source:
        """Photographs, or what `open_source` opens, as these settings want them read."""
        return open_source(
            given,
            spec,
            aligned=self.aligned,
            face=self.face,
            strict=self.strict,
            workers=threads,
        )

    def made(self, samples: SampleSet | None = None) -> Provenance:
        """What made a table: of photographs the stamp stands for what is in them."""
        inputs = {
            name: self.digest_of(name, path)
            for name, path in self.inputs().items()
            if self.single is not None or not name.startswith("photos")
        }
        if samples is not None:
            inputs["photos"] = stamp(samples)
        settings = {name: value for name, value in self.settings().items() if name not in _HOW}
        return self.made_from("scores", inputs, settings)

    def _score_cached(self, model: Path, cache: Path, progress: Progress) -> None:
        """Run a trained model above its cut alone, on features of the crops that are kept in the cache."""
        from ..models.checkpoint import load_regressor
        from ..train.scoring import score_crops

        folder = CropFolder.open(self.photos[0])
        regressor, record = load_regressor(model / REGRESSOR)
        scores = score_crops(folder, regressor, record=record, cache=cache, progress=progress)
        least = -np.inf if self.min_score is None else self.min_score
        samples = folder.samples.at(scores.sample_ids[scores.values >= least])
        assert samples.paths is not None  # of the crops
        good = replace(scores, sample_ids=samples.sample_ids, values=scores.at(samples.sample_ids))
        columns = {"path": samples.paths, "face": np.zeros(len(good), np.int64)}
        write_scores(self.output, good, columns=columns, provenance=self.made())


@dataclass(frozen=True, eq=False)
class _Scoring:
    """What all tables of a run share.

    Attributes:
        stage: Settings.
        method: Scores the crops.
        each: Does chunks side by side.
        threads: That find faces inside a chunk.
    """

    stage: Score
    method: QualityMethod
    each: Each
    threads: int

    def write(self, given: Path | SampleSet, output: Path, progress: Progress) -> int:
        """Score photographs or what `open_source` opens into a table; how many faces are in it."""
        stage = self.stage
        provenance = stage.made(given if isinstance(given, SampleSet) else None)
        if stage.sharded and output.exists() and read_provenance(output) == _as_read(provenance):
            return count_rows(output)
        source = stage.source(given, self.method.spec, threads=self.threads)
        todo, total = chunks(source, size=CHUNK), len(source.samples)
        parts = Parts.beside(output, provenance)
        parts.run(
            len(todo),
            _Work(source, self.method, todo, stage.min_score),
            each=self.each,
            progress=in_images(progress, todo),
        )
        joined = parts.collect()
        failures = failures_from(joined)
        if len(failures) == total and not stage.sharded:
            raise DataError(
                f"no usable face in {total} images of {', '.join(map(str, stage.photos))}; "
                f"the first one: {failures[0].message}"
            )
        scores = QualityScores(joined.pop("sample_id"), joined.pop("score"), self.method.name)
        write_failures_beside(output, failures)
        write_scores(output, scores, columns=joined, provenance=provenance)
        parts.remove()
        return len(scores)


@dataclass(frozen=True, eq=False)
class _Work:
    """Scores a chunk of photographs, here or on another machine."""

    source: Source
    method: QualityMethod
    todo: list[NDArray[np.int64]]
    min_score: float | None

    def __call__(self, number: int) -> dict[str, NDArray[Any]]:
        batch = self.source.load(self.todo[number])
        scores = self.method.score(batch.crops)
        meaning = self.method.columns(scores) if hasattr(self.method, "columns") else {}
        factors = self.method.factors(batch.crops) if hasattr(self.method, "factors") else {}
        columns = {
            "sample_id": batch.samples.sample_ids,
            "path": batch.paths,
            "score": scores,
            **meaning,
            **batch.columns,
            **factors,
        }
        if self.min_score is not None:
            columns = {name: column[scores >= self.min_score] for name, column in columns.items()}
        return {**columns, **failure_columns(batch.failures)}


def _is_single(path: Path) -> bool:
    """Whether this is a crop folder, a table or an archive."""
    return is_table(path) or is_archive(path) or (path / HEADER).exists()


def _shifted(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _as_read(provenance: Provenance) -> Provenance:
    """The provenance as a file gives it back."""
    return Provenance.from_json(json.loads(json.dumps(provenance.to_json())))
