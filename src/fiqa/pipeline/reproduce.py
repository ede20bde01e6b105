"""What a published study is made of, in its own words, and the file that says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from ..core.errors import SettingsError
from ..core.registry import Entry, Registry
from ..methods import METHODS, load_label_source
from ..models.recognisers import RECOGNISERS
from .settings import build, read_toml

STUDIES: Registry[Entry] = Registry(
    "study",
    (
        Entry(
            "iwbf2023",
            "",
            "does training on optimised labels improve six quality methods",
            "Babnik, Damer, Struc 2023, arXiv 2305.14856",
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Photographs and how their faces are cut out.

    Attributes:
        images: Folders, lists or packed files below the root; the first one at hand is taken.
        face: Which face of a photograph is meant.
        degrade: Share of crops that get one seeded degradation.
        seed: Of the degradations.
    """

    images: tuple[str, ...]
    face: Literal["largest", "central", "all"] = "largest"
    degrade: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainingSet(Images):
    """Images to train on, and the benchmarks that models trained on them must not be tested on."""

    not_for: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Benchmark(Images):
    """Images to test on.

    Attributes:
        pairs: What is compared, as `fiqa evaluate --pairs`; the first is the protocol.
        published: Column of the published tables that the protocol belongs to; empty for none.
    """

    pairs: tuple[str, ...]
    published: str = ""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A quality method, its base labels on a training set and its raw score on a benchmark.

    Both come from `official` weights where they are at hand, else from `scorer`, else the labels from
    `labels` and the scores from a model trained as `training` says; without training from `labels` too, if it
    needs no subjects.

    Attributes:
        title: Name in tables.
        official: Weights file below the root.
        scorer: Method that scores crops by the quality recogniser.
        labels: Source of labels.
        training: Settings of `fiqa train`; where they are needed and absent, there is no raw score.
        regressor: Settings of its regressors that differ from those of the study.
        subjects: Subjects of the training set that `scorer` scores; 0 is all.
        images: Crops of each of them, the first ones; subjects with fewer are passed over.
        folds: Folds of each benchmark that `scorer` scores, on others none; empty is all of all.
        not_on: Benchmarks that must not judge it.
        control: Whether it is there to be compared with, and no cell of the summary.
    """

    title: str
    official: str = ""
    scorer: str = ""
    labels: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    regressor: dict[str, Any] = field(default_factory=dict)
    subjects: int = 0
    images: int = 0
    folds: dict[str, int] = field(default_factory=dict)
    not_on: tuple[str, ...] = ()
    control: bool = False


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A way to optimise base labels.

    Attributes:
        optimize: Settings of `fiqa optimize`.
        also: Recognisers that rank the pairs beside the quality recogniser.
    """

    optimize: dict[str, Any]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study file says; tables by name, see the files in ``studies``."""

    quality_recognisers: tuple[str, ...]
    cross_recognisers: tuple[str, ...]
    training_set: dict[str, TrainingSet]
    benchmark: dict[str, Benchmark]
    method: dict[str, Method]
    labels: dict[str, Labels]
    training: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    oracle: str = "pcnet"

    def __post_init__(self) -> None:
        also = [name for one in self.labels.values() for name in one.also]
        for name in (*self.quality_recognisers, *self.cross_recognisers, *also):
            RECOGNISERS.get(name)
        for source in (self.oracle, *(one.labels for one in self.method.values() if one.labels)):
            load_label_source(source)
        for where, names in (
            *((f"training_set.{name}.not_for", one.not_for) for name, one in self.training_set.items()),
            *((f"method.{name}.not_on", one.not_on) for name, one in self.method.items()),
            *((f"method.{name}.folds", one.folds) for name, one in self.method.items()),
        ):
            unknown = sorted(set(names) - set(self.benchmark))
            if unknown:
                known = ", ".join(self.benchmark)
                raise SettingsError(f"{where} names no benchmark: {', '.join(unknown)}; there are: {known}")
        for name, one in self.method.items():
            for method in (*([name] if one.official else []), *([one.scorer] if one.scorer else [])):
                METHODS.get(method)
            if not one.scorer and not one.labels:
                raise SettingsError(f"method.{name} needs a scorer or labels, for want of official weights")


def open_study(name: str, output: Path, *, config: Path | None = None, keep: bool = True) -> Study:
    """Read a study that comes with the package, or an edited copy of one.

    Args:
        name: A name in `STUDIES`.
        output: Folder of the study; the file is kept there as ``study.toml``.
        config: The edited copy.
        keep: Whether to keep the file.

    Raises:
        SettingsError: If there is no such study, a name in it is unknown, or `output` holds another file
            that would be lost.
    """
    source = resources.files(__package__) / "studies" / f"{STUDIES.get(name).name}.toml"
    kept = output / "study.toml"
    with resources.as_file(source) as shipped:
        path = config or shipped
        study = build(Study, read_toml(path), path.name)
        text = path.read_text(encoding="utf-8")
    if config is None and kept.exists() and kept.read_text(encoding="utf-8") != text:
        raise SettingsError(f"{kept} is not the study as shipped; go on with --config {kept} or delete it")
    if keep:
        output.mkdir(parents=True, exist_ok=True)
        kept.write_text(text, encoding="utf-8")
    return study
