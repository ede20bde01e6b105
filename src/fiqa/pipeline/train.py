"""Stage train: a quality model from a recogniser and labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from ..core.protocols import Progress
from ..io.atomic import HEADER, atomic
from ..io.crops import CropFolder
from ..io.store import read_scores, write_json
from ..models.recognisers import load_torch_recogniser
from .models import read_contract
from .settings import PresetStage, setting

if TYPE_CHECKING:
    from ..train.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Train(PresetStage):
    """Fine-tune a recogniser with a regression head on quality labels.

    Writes regressor.pt (best validation on unseen subjects) and log.jsonl. Preset `published` trains the
    head and the last 100 parameter tensors for one epoch, as published; `last-block` trains the last block
    on cached features and takes about a minute for 7,000 crops on two cores.
    """

    name: ClassVar[str] = "train"
    crops: Path = setting(help="Folder written by `fiqa crop`.", argument=True)
    labels: Path = setting(help="Scores file with one label for each crop.")
    recogniser: str = setting("sface", help="Backbone to start from, onnx:PATH or torch:PATH.")
    weights: Path | None = setting(None, help="Weights file of the recogniser.")
    contract: Path | None = setting(None, help="TOML card of an own file: size, crop, colour, mean, std.")
    preset: Literal["published", "last-block"] = setting("last-block", help="published or last-block.")
    cut: str | None = setting(None, help="Tensor to cut the network at; found by itself.")
    epochs: int | None = setting(None, help="Passes over the data.")
    batch_size: int | None = setting(None, help="Samples a step.")
    learning_rate: float | None = setting(None, help="Rate of the head; deeper layers follow.")
    schedule: Literal["constant", "cosine"] | None = setting(None, help="constant or cosine.")
    loss: Literal["l1", "huber", "ranking"] | None = setting(None, help="l1, huber or ranking.")
    targets: Literal["minmax", "rank"] | None = setting(None, help="Labels as minmax or rank.")
    unlabelled: Literal["refuse", "skip"] = setting("refuse", help="Crops without a label: refuse or skip.")
    freeze_batchnorm: bool | None = setting(None, help="Keep BatchNorm statistics.")
    validation_fraction: float | None = setting(None, help="Share of subjects to validate on.")
    precision: Literal["float32", "bfloat16"] | None = setting(None, help="float32 or bfloat16.")
    device: Literal["cpu", "cuda"] | None = setting(None, help="cpu or cuda.")
    seed: int = setting(0, help="Seed of split, head, order and dropout.")
    cache: Path | None = setting(None, help="Folder of features shared by trainings.", written=True)

    def resolved(self) -> TrainSettings:
        """The preset with every setting given here in its place."""
        from ..train.settings import PRESETS

        return self.over(PRESETS[self.preset])

    def run(self, progress: Progress) -> None:
        """Train; a killed run goes on to the same result."""
        from ..train.training import train

        folder = self.output.with_name(f".parts-{self.output.name}")
        train(
            CropFolder.open(self.crops),
            read_scores(self.labels),
            recogniser=load_torch_recogniser(
                self.recogniser, path=self.weights, contract=read_contract(self.contract)
            ),
            settings=self.resolved(),
            folder=folder,
            cache=self.cache,
            progress=progress,
        )
        write_json(folder / HEADER, {"provenance": self.provenance("regressor").to_json()})
        with atomic(self.output) as temporary:
            folder.rename(temporary)
