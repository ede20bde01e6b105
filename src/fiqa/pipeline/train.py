"""Stage train: a quality model from a recogniser, and labels or the objective of a method."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ..core.errors import SettingsError
from ..core.protocols import Progress
from ..io.crops import CropFolder
from ..io.parts import parts_folder
from ..io.store import read_embeddings, read_scores
from ..io.tables import read_table
from ..methods import load_objective
from .degradation import check_degradation
from .models import RecogniserStage
from .settings import PresetStage, setting

if TYPE_CHECKING:
    from ..train.callbacks import Callback
    from ..train.lesson import Lesson
    from ..train.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Train(RecogniserStage, PresetStage):
    """Fine-tune a recogniser with a head for quality, on labels or by the objective of a method.

    Writes regressor.pt (best validation on samples not learnt from) and log.jsonl. Preset `published` trains
    the head and the last 100 parameter tensors for one epoch, as published; `last-block` trains the last
    block on cached features and takes about a minute for 7,000 crops on two cores. `fiqa methods` says which
    methods have an objective. Several processes, on one machine or more, share each batch under
    `torchrun --nproc-per-node N -m fiqa train ...`.
    """

    name: ClassVar[str] = "train"
    crops: Path = setting(help="Folder written by `fiqa crop`.", argument=True)
    labels: Path | None = setting(None, help="Scores file with one label for each crop.")
    objective: str | None = setting(
        None, help="Method to train by its own loss; without it labels are learnt."
    )
    option: tuple[str, ...] = setting((), help="NAME=VALUE setting of the objective.")
    embeddings: Path | None = setting(
        None, help="Folder written by `fiqa embed`, for objectives that use it."
    )
    recogniser: str = setting("sface", help="Backbone to start from, onnx:PATH or torch:PATH.")
    preset: Literal["published", "last-block"] = setting("last-block", help="published or last-block.")
    layers: Literal["published", "whole", "last-block", "head"] | None = setting(
        None, help="What learns: published, whole, last-block or head."
    )
    head: Literal["linear", "sigmoid", "mlp", "norm"] | None = setting(
        None, help="linear, sigmoid, mlp or norm; the objective's own."
    )
    cut: str | None = setting(None, help="Tensor to cut the network at; found by itself.")
    epochs: int | None = setting(None, help="Passes over the data.")
    batch_size: int | None = setting(None, help="Samples a step, over all processes.")
    accumulate: int | None = setting(None, help="Parts that a batch is worked through in, to save memory.")
    learning_rate: float | None = setting(None, help="Rate of the head; deeper layers follow.")
    schedule: Literal["constant", "cosine"] | None = setting(None, help="constant or cosine.")
    loss: Literal["l1", "huber", "smooth_l1", "ranking"] | None = setting(
        None, help="Of labels: l1, huber, smooth_l1 or ranking."
    )
    targets: Literal["minmax", "rank", "native"] | None = setting(
        None, help="Labels as minmax, rank or native."
    )
    unlabelled: Literal["refuse", "skip"] = setting(
        "refuse", help="Crops without label or embedding: refuse or skip."
    )
    freeze_batchnorm: bool | None = setting(None, help="Keep BatchNorm statistics.")
    validation_fraction: float | None = setting(None, help="Share of subjects or samples to validate on.")
    validation: Path | None = setting(
        None, help="List (CSV, Parquet) of the samples to validate on, whole subjects."
    )
    patience: int | None = setting(None, help="Validations without a better one that end the training.")
    ema: float | None = setting(None, help="Decay of a moving average of the weights; 0 averages nothing.")
    precision: Literal["float32", "bfloat16", "float16"] | None = setting(
        None, help="float32, bfloat16, or float16 on a GPU."
    )
    device: Literal["cpu", "cuda"] | None = setting(None, help="cpu or cuda.")
    seed: int = setting(0, help="Seed of split, first weights and order.")
    cache: Path | None = setting(None, help="Folder of features shared by trainings.", written=True)
    tensorboard: Path | None = setting(None, help="Folder for TensorBoard's event files.", written=True)
    wandb: str | None = setting(None, help="Project at Weights & Biases to log to.")

    def resolved(self) -> TrainSettings:
        """The preset with every setting given here in its place."""
        from ..train.settings import PRESETS

        return self.over(PRESETS[self.preset])

    def run(self, progress: Progress) -> None:
        """Train; a killed run goes on to the same result."""
        from ..train.processes import joined
        from ..train.training import train

        settings, recogniser = self.resolved(), self.load_torch_recogniser()
        images, lesson = CropFolder.open(self.crops, crop=recogniser.spec.crop), self._lesson(settings)
        for given in (self.labels, self.embeddings):
            if given is not None:
                check_degradation(self.crops, given)
        folder = parts_folder(self.output)
        with joined(settings.device) as processes, ExitStack() as open_callbacks:
            train(
                images,
                lesson,
                recogniser=recogniser,
                settings=settings,
                folder=folder,
                cache=self.cache,
                callbacks=self._callbacks(open_callbacks) if processes.first else (),
                progress=progress,
            )
            if not processes.first:
                return
        self.publish(folder, "regressor")

    def _callbacks(self, stack: ExitStack) -> list[Callback]:
        """Who is to be told of validations, until the stack is closed."""
        from ..train.callbacks import tensorboard, wandb

        found = []
        if self.tensorboard is not None:
            found.append(stack.enter_context(tensorboard(self.tensorboard)))
        if self.wandb is not None:
            opened = wandb(self.wandb, name=self.output.name, settings=self.settings())
            found.append(stack.enter_context(opened))
        return found

    def _lesson(self, settings: TrainSettings) -> Lesson:
        """What to learn.

        Raises:
            SettingsError: If there is neither an objective nor labels, or settings do not go together.
        """
        from ..train.lesson import Lesson, label_lesson

        labels = None if self.labels is None else read_scores(self.labels)
        validation = None if self.validation is None else read_table(self.validation).texts("sample_id")
        if self.objective is None:
            if labels is None:
                raise SettingsError("give --labels to learn or the --objective of a method; `fiqa methods`")
            if self.option or self.embeddings:
                raise SettingsError("--option and --embeddings are for an --objective; labels need neither")
            return label_lesson(labels, loss=settings.loss, validation=validation)
        options = dict(_option(text) for text in self.option)
        kind = load_objective(self.objective, settings=options)
        if self.loss or (self.targets and labels is None):
            raise SettingsError(
                f"--loss and --targets are for labels; objective {self.objective} has its own"
            )
        embeddings = None if self.embeddings is None else read_embeddings(self.embeddings)
        return Lesson(self.objective, kind, labels, embeddings, options, validation)


def _option(text: str) -> tuple[str, int | float | str]:
    """Name and value behind NAME=VALUE, the value as a number where it is one."""
    name, sign, value = text.partition("=")
    if not sign:
        raise SettingsError(f"--option takes NAME=VALUE, got {text!r}")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value
