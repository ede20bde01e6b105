"""Stage distil: a small quality model that learns from larger ones."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.optional import require
from ..core.protocols import Progress
from ..faces.degrade import degrade, draw_degradation
from ..io.crops import CropFolder
from ..io.parts import parts_folder
from .models import REGRESSOR
from .settings import PresetStage, setting

if TYPE_CHECKING:
    from ..train.data import CropSource
    from ..train.distil import Teacher
    from ..train.settings import TrainSettings


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
    inherit: str | None = setting(None, help="Recogniser built like MobileNetV1 whose filters to start from.")
    variants: int = setting(2, help="Degraded variants of each crop.")
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
        from ..models.recognisers import load_torch_recogniser
        from ..models.student import inherit, student
        from ..train.distil import distil
        from ..train.variants import Variants

        settings = self.resolved()
        if self.variants < 0:
            raise SettingsError(f"variants must be 0 or more, got {self.variants}")
        network = student(self.student, seed=self.seed)
        if self.inherit is not None:
            inherit(network.module, load_torch_recogniser(self.inherit).module)
        teachers = [_teacher(name) for name in self.teacher]
        folder = parts_folder(self.output)
        own = folder / "taught"
        cache = self.cache or own
        sources: list[CropSource] = []
        for crops in map(CropFolder.open, self.crops):
            sources.append(crops)
            if self.variants:
                varied = Variants(
                    crops,
                    count=self.variants,
                    seed=self.seed,
                    vary=self._vary,
                    cache=cache,
                    progress=progress,
                )
                sources.append(varied)
        distil(
            sources,
            teachers,
            student=network,
            settings=settings,
            guide=self.guide,
            ranking=self.ranking,
            folder=folder,
            cache=cache,
            progress=progress,
        )
        shutil.rmtree(own, ignore_errors=True)
        self.publish(folder, "regressor")

    def _vary(self, image: NDArray[np.uint8], sample_id: str, number: int) -> NDArray[np.uint8]:
        """Variant `number` of a crop."""
        draw = draw_degradation(f"{sample_id} variant {number}", seed=self.seed)
        return degrade(image, draw.kind, severity=draw.severity, rng=np.random.default_rng(draw.seed))


def _teacher(name: str) -> Teacher:
    """A folder that `fiqa train` wrote, or the embedding norm of a recogniser."""
    from ..models.checkpoint import load_regressor
    from ..models.recognisers import load_torch_recogniser
    from ..train.distil import Teacher, norm_teacher

    if Path(name).is_dir():
        return Teacher(*load_regressor(Path(name) / REGRESSOR))
    return norm_teacher(load_torch_recogniser(name))
