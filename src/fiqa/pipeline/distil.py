"""Stage distil: a small quality model that learns from larger ones."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.optional import require
from ..core.protocols import Progress
from ..faces.degrade import degrade, draw_degradation
from ..faces.views import framed, toned, turned
from ..io.crops import CropFolder
from ..io.parts import parts_folder
from .models import REGRESSOR
from .settings import PresetStage, setting

if TYPE_CHECKING:
    from ..train.data import CropSource
    from ..train.distil import Teacher
    from ..train.settings import TrainSettings


_YAW = 80.0
"""Degrees that variants are turned by at most."""


@dataclass(frozen=True, kw_only=True)
class Distil(PresetStage):
    """Train a student that is small and fast on what trained models say of crops and of degraded variants.

    Writes a folder that `fiqa score --model` reads, as `fiqa train` does. Each crop is learnt from as it is,
    in seeded degraded variants and mirrored; the teachers score each variant themselves.
    """

    name: ClassVar[str] = "distil"
    crops: tuple[Path, ...] = setting(help="Folder written by `fiqa crop`; may be repeated.")
    teacher: tuple[str, ...] = setting(
        help="Folder written by `fiqa train`, or a recogniser for its embedding norm; mean rank of several."
    )
    student: str = setting("student-0.5", help="student-WIDTH, a share of the channels of MobileNetV1.")
    inherit: str | None = setting(
        None, help="Whose filters to start from: a recogniser built like MobileNetV1, or a student's folder."
    )
    variants: int = setting(2, help="Degraded or turned variants of each crop.")
    turned: float = setting(0.5, help="Share of variants that are side views in a tilted frame.")
    toned: float = setting(0.5, help="Share of variants in other tones, half of them grey.")
    second_look: float = setting(
        0.0,
        help="Blur in pixels of a second look of the teachers; the mean of both scores is learnt. 0: none.",
    )
    separation: float = setting(
        0.0,
        help="Share of the target that is how much nearer the teacher's embedding lies to other crops of "
        "its subject than to another subject. 0: scores alone.",
    )
    guide: float = setting(1.0, help="Weight of the teachers' embedding; 0 learns scores alone.")
    ranking: float = setting(0.0, help="Weight of the order of pairs in a batch.")
    epochs: int = setting(4, help="Passes over all variants and their mirror images.")
    batch_size: int = setting(32, help="Samples a step.")
    learning_rate: float = setting(2e-3, help="Rate of all layers, falling to 0 by a cosine.")
    validation_fraction: float = setting(0.05, help="Share of subjects to validate on.")
    seed: int = setting(0, help="Seed of variants, split, first weights and order.")
    cache: Path | None = setting(
        None, help="Folder of variants and what teachers said of them, to share.", written=True
    )

    def resolved(self) -> TrainSettings:
        """How the student is trained."""
        from ..train.settings import TrainSettings

        fixed = TrainSettings(
            layers="whole", head="sigmoid", targets="rank", freeze_batchnorm=False, validations=1
        )
        return self.over(fixed)

    def run(self, progress: Progress) -> None:
        """Train; a killed run goes on to the same result."""
        require("torch", extra="lab", purpose="distil a student")
        from ..models.student import inherit, student
        from ..train.distil import distil

        settings = self.resolved()
        self._check()
        network = student(self.student, seed=self.seed)
        if self.inherit is not None:
            inherit(network.module, _teacher(self.inherit).regressor.backbone)
        teachers = [_teacher(name) for name in self.teacher]
        folder = parts_folder(self.output)
        own = folder / "taught"
        cache = self.cache or own
        distil(
            self._sources(cache, progress),
            teachers,
            student=network,
            settings=settings,
            second_look=self.second_look,
            separation=self.separation,
            guide=self.guide,
            ranking=self.ranking,
            folder=folder,
            cache=cache,
            progress=progress,
        )
        shutil.rmtree(own, ignore_errors=True)
        self.publish(folder, "regressor")

    def _check(self) -> None:
        if self.variants < 0 or not all(0 <= share <= 1 for share in (self.turned, self.toned)):
            raise SettingsError(
                f"variants must be 0 or more, turned and toned in [0, 1], got {self.variants}, "
                f"{self.turned} and {self.toned}"
            )
        if self.second_look < 0 or not 0 <= self.separation <= 1:
            raise SettingsError(
                f"second_look must be 0 or more and separation in [0, 1], got {self.second_look} and "
                f"{self.separation}"
            )

    def _sources(self, cache: Path, progress: Progress) -> list[CropSource]:
        """The crops and, after each folder of them, their variants."""
        from ..train.variants import Variant

        sources: list[CropSource] = []
        for crops in map(CropFolder.open, self.crops):
            sources.append(crops)
            for number in range(1, self.variants + 1):
                variant = Variant(
                    crops,
                    name=str(number),
                    vary=partial(self._vary, number=number),
                    recipe=f"seed {self.seed} turned {self.turned} by {_YAW} toned {self.toned}",
                    cache=cache,
                    progress=progress,
                )
                sources.append(variant)
        return sources

    def _vary(self, image: NDArray[np.uint8], sample_id: str, *, number: int) -> NDArray[np.uint8]:
        """Variant `number` of a crop: some in other tones, then degraded, or turned and perhaps degraded."""
        draw = draw_degradation(f"{sample_id} variant {number}", seed=self.seed)
        rng = np.random.default_rng(draw.seed)
        if rng.random() < self.toned:
            image = toned(image, rng=rng)
        if rng.random() < self.turned:
            image = framed(turned(image, yaw=rng.uniform(-_YAW, _YAW), rng=rng), rng=rng)
            if rng.random() < 0.5:
                return image
        return degrade(image, draw.kind, severity=draw.severity, rng=rng)


def _teacher(name: str) -> Teacher:
    """A folder that `fiqa train` wrote, or the embedding norm of a recogniser."""
    from ..models.checkpoint import load_regressor
    from ..models.recognisers import load_torch_recogniser
    from ..train.distil import Teacher, norm_teacher

    if Path(name).is_dir():
        return Teacher(*load_regressor(Path(name) / REGRESSOR))
    return norm_teacher(load_torch_recogniser(name))
