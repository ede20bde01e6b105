"""A published study as stages, for what is at hand of its data and weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..io.store import SAMPLES
from ..methods import METHODS
from ..models.recognisers import RECOGNISERS
from ..models.weights import FOLDER_VARIABLE, is_at_hand
from .benchmarks import ALL
from .crop import Crop
from .embed import Embed
from .evaluate import Evaluate
from .label import Label
from .optimize import Optimize
from .part import Part
from .reproduce import Benchmark, Images, Method, Study
from .score import Score
from .settings import Stage
from .train import Train

AUC, PAUC = "published-2023", "iso"
"""Conventions that everything is evaluated by: that of the published areas most likely, and our own."""
BASE, ORACLE = "base", "oracle"


@dataclass(frozen=True)
class Plan:
    """What will run.

    Attributes:
        stages: In running order.
        left_out: One line for each thing that is not at hand.
        recognisers: What compares; the first also gives labels and is trained.
        trained_on: Training set of each benchmark.
        labels: Ways to optimise labels.
    """

    stages: tuple[Stage, ...]
    left_out: tuple[str, ...]
    recognisers: tuple[str, ...]
    trained_on: Mapping[str, str]
    labels: tuple[str, ...]


def expand(study: Study, root: Path, output: Path) -> Plan:
    """The stages of a study for what is at hand.

    ``root/models``, where there is one, takes the place of the folder that FIQA_MODELS names.

    Args:
        study: The study.
        root: Folder that its paths are below.
        output: Folder to write.

    Raises:
        DataError: If no quality recogniser, or no benchmark with a training set, is at hand.
        SettingsError: If a setting of training, labels or evaluation is wrong.
    """
    if (root / "models").is_dir():
        os.environ[FOLDER_VARIABLE] = str(root / "models")
    left_out = (*_left_out_models(study, root), *_left_out_images(study, root))
    quality = [name for name in study.quality_recognisers if is_at_hand(name)]
    trained_on = {
        name: training_set
        for name, benchmark in study.benchmark.items()
        if not _absent(benchmark, root) and (training_set := _training_set(name, study, root))
    }
    if not quality or not trained_on:
        what = "a quality recogniser" if not quality else "a benchmark and a training set for it"
        raise DataError(f"{root} needs {what}; left out: {'; '.join(left_out)}")
    recognisers = quality[0], *(name for name in study.cross_recognisers if is_at_hand(name))
    writer = _Writer(study, root, output, recognisers)
    for name, training_set in trained_on.items():
        writer.test(name, training_set)
    return Plan(tuple(writer.stages.values()), left_out, recognisers, trained_on, writer.variants)


def _left_out_models(study: Study, root: Path) -> Iterator[str]:
    for name in (*study.quality_recognisers, *study.cross_recognisers):
        if not is_at_hand(name):
            yield f"recogniser {name}: no {RECOGNISERS.get(name).filename}"
    for name, method in study.method.items():
        if method.official and not (root / method.official).is_file():
            instead = f"scores by {method.scorer}" if method.scorer else f"labels by {method.labels}"
            yield f"official weights of {name}: no {method.official}, {instead} instead"
    for name, labels in study.labels.items():
        if missing := [other for other in labels.also if not is_at_hand(other)]:
            yield f"{name} labels: no recogniser {', '.join(missing)}"


def _left_out_images(study: Study, root: Path) -> Iterator[str]:
    for kind, table in (("training set", study.training_set), ("benchmark", study.benchmark)):
        for name, item in table.items():
            if absent := _absent(item, root):
                yield f"{kind} {name}: {absent}"
            elif kind == "benchmark" and not _training_set(name, study, root):
                yield f"benchmark {name}: no training set at hand that may be tested on it"


def _absent(item: Images, root: Path) -> str:
    """What is not there of a training set or benchmark; empty if all is."""
    lists = item.pairs if isinstance(item, Benchmark) else ()
    paths = [spec.partition(":")[2] for spec in lists if not _is_all(spec)]
    if not any((root / path).exists() for path in item.images):
        return f"no {' or '.join(item.images)}"
    return "; ".join(f"no {path}" for path in paths if not (root / path).exists())


def _training_set(benchmark: str, study: Study, root: Path) -> str | None:
    """The first training set at hand that may be tested on a benchmark."""
    return next(
        (
            name
            for name, item in study.training_set.items()
            if benchmark not in item.not_for and not _absent(item, root)
        ),
        None,
    )


@dataclass(frozen=True)
class _Faces:
    """A training set or benchmark, and where what is made of it lies."""

    item: Images
    place: Path


@dataclass(frozen=True)
class _Writer:
    """Adds a stage, after all that it reads, when its output is asked for; each output once."""

    study: Study
    root: Path
    output: Path
    recognisers: tuple[str, ...]
    stages: dict[Path, Stage] = field(default_factory=dict)

    @property
    def variants(self) -> tuple[str, ...]:
        """Labels whose recognisers are at hand."""
        return tuple(name for name, one in self.study.labels.items() if all(map(is_at_hand, one.also)))

    def add(self, stage: Stage) -> Path:
        self.stages.setdefault(stage.output, stage)
        return stage.output

    def crops(self, faces: _Faces, recogniser: str) -> Path:
        item, spec = faces.item, RECOGNISERS.get(recogniser).spec
        assert spec is not None  # every recogniser has one
        photos = next(self.root / path for path in item.images if (self.root / path).exists())
        how = {"face": item.face, "degrade": item.degrade, "seed": item.seed, "crop": spec.crop}
        return self.add(
            Crop.from_mapping({**how, "photos": photos, "output": faces.place / f"crops-{spec.crop}"})
        )

    def embeddings(self, faces: _Faces, recogniser: str) -> Path:
        photos = self.crops(faces, recogniser)
        return self.add(Embed(photos=photos, recogniser=recogniser, output=faces.place / recogniser))

    def official(self, method: Method) -> str | None:
        file = self.root / method.official
        return str(file) if method.official and file.is_file() else None

    def scores(self, name: str, photos: Path, output: Path) -> Path:
        """Scores of crops, or of a list of them, by the official weights or else the scorer of a method."""
        weights = self.official(self.study.method[name])
        return self.add(
            Score(
                photos=(photos,),
                aligned=photos.suffix == ".csv",
                method=name if weights else self.study.method[name].scorer,
                weights=weights,
                recogniser=None if weights else self.recognisers[0],
                output=output,
            )
        )

    def labels(self, train: _Faces, name: str, variant: str) -> Path:
        """Labels of a training set by a method, as they are or optimised."""
        method, output = self.study.method[name], train.place / "labels" / f"{name}-{variant}.parquet"
        if variant != BASE:
            how = self.study.labels[variant]
            seen_by = [self.embeddings(train, one) for one in (self.recognisers[0], *how.also)]
            files = {"scores": self.labels(train, name, BASE), "embeddings": seen_by, "output": output}
            return self.add(Optimize.from_mapping({"unlabelled": "skip", **how.optimize, **files}))
        if not method.scorer and not self.official(method):
            embeddings = self.embeddings(train, self.recognisers[0])
            return self.add(Label(embeddings=embeddings, method=method.labels, output=output))
        crops = self.crops(train, self.recognisers[0])
        if method.subjects and not self.official(method):
            place = train.place / f"part-{name}"
            part = Part(crops=crops, subjects=method.subjects, images=method.images, output=place)
            crops = self.add(part) / "crops.csv"
        return self.scores(name, crops, output)

    def trained(self, train: _Faces, model: str, settings: Mapping[str, Any], labels: Path) -> Path:
        """A model by settings of `fiqa train`, on labels unless it has an objective of its own."""
        lesson = {"labels": labels}
        if "objective" in settings:
            lesson = {"embeddings": self.embeddings(train, self.recognisers[0])}
        more = {"recogniser": self.recognisers[0], "unlabelled": "skip", "cache": self.output / "features"}
        files = {"crops": self.crops(train, self.recognisers[0]), "output": train.place / "models" / model}
        return self.add(Train.from_mapping({**more, **settings, **lesson, **files}))

    def applied(self, test: _Faces, model: Path) -> Path:
        photos, output = self.crops(test, self.recognisers[0]), test.place / f"{model.name}.parquet"
        return self.add(
            Score(photos=(photos,), model=str(model), cache=self.output / "features", output=output)
        )

    def raw(self, test: _Faces, train: _Faces, name: str) -> Path | None:
        """The raw score of a method on a benchmark, None where it has none or it is scored in part."""
        method = self.study.method[name]
        if self.official(method) or (method.scorer and not method.folds):
            photos = self.crops(test, self.recognisers[0])
            return self.scores(name, photos, test.place / f"{name}.parquet")
        if method.scorer:
            return None
        if method.training:
            model = self.trained(train, name, method.training, self.labels(train, name, BASE))
            return self.applied(test, model)
        row = METHODS.get(method.labels)
        if not row.target or row.needs != "recogniser":
            return None
        embeddings = self.embeddings(test, self.recognisers[0])
        return self.add(Label(embeddings=embeddings, method=row.name, output=test.place / f"{name}.parquet"))

    def learnt(self, test: _Faces, train: _Faces, name: str) -> list[str]:
        """Rows of the regressors on each kind of labels of a method."""
        rows = []
        settings = {**self.study.training, **self.study.method[name].regressor}
        for variant in (BASE, *self.variants):
            labels = self.labels(train, name, variant)
            model = self.trained(train, f"{name}-{variant}", settings, labels)
            rows.append(f"{name}:{on_labels(variant)}={self.applied(test, model)}")
        return rows

    def test(self, name: str, training_set: str) -> None:
        """All reports of a benchmark."""
        benchmark = self.study.benchmark[name]
        train = _Faces(self.study.training_set[training_set], self.output / "train" / training_set)
        test = _Faces(benchmark, self.output / "test" / name)
        pairs = [spec if _is_all(spec) else _below(self.root, spec) for spec in benchmark.pairs]
        embeddings = [self.embeddings(test, one) for one in self.recognisers]
        scores: list[str] = []
        for key, method in self.study.method.items():
            if name in method.not_on:
                continue
            raw, learnt = self.raw(test, train, key), self.learnt(test, train, key)
            scores += [*([f"{key}={raw}"] if raw else []), *learnt]
            if method.folds.get(name) and not self.official(method):
                output, photos = test.place / f"part-{key}", self.crops(test, self.recognisers[0])
                part = self.add(Part(crops=photos, pairs=pairs[0], folds=method.folds[name], output=output))
                few = self.scores(key, part / "crops.csv", test.place / f"{key}.parquet")
                listed = {"pairs": f"csv:{part / 'pairs.csv'}", "embeddings": embeddings}
                for convention in (PAUC, AUC):
                    rows = [f"{key}={few}", *learnt]
                    self.report(name, f"part-{key}-{convention}", convention, scores=rows, **listed)
        lesson = self.crops(train, self.recognisers[0]) / SAMPLES
        what = {"scores": scores, "embeddings": embeddings, "pairs": pairs, "trained_on": lesson}
        self.report(name, PAUC, PAUC, **what, **self.pictures(test, train))
        self.report(name, AUC, AUC, **what)
        for recogniser, folder in zip(self.recognisers, embeddings, strict=True):
            output = test.place / f"{ORACLE}-{recogniser}.parquet"
            oracle = self.add(Label(embeddings=folder, method=self.study.oracle, output=output))
            seen = {"scores": f"{ORACLE}={oracle}", "embeddings": folder, "pairs": pairs}
            self.report(name, f"{ORACLE}-{recogniser}", PAUC, **seen)

    def report(self, benchmark: str, name: str, convention: str, **what: Any) -> None:
        """Intervals are drawn where there are pictures: for all scores by our own convention."""
        settings = {**self.study.evaluation, **({} if "crops" in what else {"replicates": 0})}
        output = self.output / "reports" / benchmark / name
        title = f"{benchmark}, {name}"
        self.add(
            Evaluate.from_mapping(
                {"title": title, **settings, **what, "convention": convention, "output": output}
            )
        )

    def pictures(self, test: _Faces, train: _Faces) -> dict[str, Any]:
        """What contact sheets and label shifts of a report are made from."""
        last = self.variants[-1:]
        names = [name for name, method in self.study.method.items() if last and not method.control]
        return {
            "crops": self.crops(test, self.recognisers[0]),
            "label_crops": self.crops(train, self.recognisers[0]),
            "base_labels": [self.labels(train, name, BASE) for name in names],
            "optimised_labels": [self.labels(train, name, last[0]) for name in names],
        }


def on_labels(variant: str) -> str:
    """Row of the regressor on one kind of labels."""
    return f"regressor, {variant} labels"


def _below(root: Path, spec: str) -> str:
    kind, _, path = spec.partition(":")
    return f"{kind}:{root / path}"


def _is_all(spec: str) -> bool:
    return spec.partition(":")[0] == ALL
