"""Distillation: a student learns what teachers say of every crop, of degraded variants, and of their mirrors.

Labels stay true because the teachers score each variant themselves. A mirror image is taken to be worth what
its original is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.arrays import mean_ranks
from ..core.errors import SettingsError
from ..core.protocols import Progress, silent
from ..core.types import EmbeddingSet, QualityScores
from ..models.checkpoint import RegressorRecord, state_digest
from ..models.objective import Facts, Objective
from ..models.regressor import Regressor
from ..models.torch_recogniser import TorchRecogniser
from .data import CropSource
from .features import cached
from .lesson import Lesson
from .losses import ranking_loss
from .scoring import above_cut
from .separation import ranks_moved, separations
from .settings import TrainSettings
from .training import TrainResult, train
from .variants import Joined, Mirrored, Softened

_BATCH = 64
_WIDTH = 0.1
"""Share of the range of scores below which errors count quadratically and over which pairs are told apart."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained regressor, as `load_regressor` gives it."""

    regressor: Regressor
    record: RegressorRecord


def norm_teacher(recogniser: TorchRecogniser) -> Teacher:
    """The embedding norm of a recogniser as a teacher, run in bfloat16 and left unchanged.

    Source:
        Meng et al., "MagFace: A Universal Representation for Face Recognition and Quality Assessment",
        CVPR 2021, arXiv 2103.06627.
    """
    record = RegressorRecord(
        recogniser=recogniser.name,
        recogniser_digest=state_digest(recogniser.module),
        spec=recogniser.spec,
        dimension=recogniser.dimension,
        label_method=f"embedding norm of {recogniser.name}",
        targets="native",
        cut=recogniser.module.output,
        head="norm",
        settings={"precision": "bfloat16"},
    )
    return Teacher(Regressor(recogniser.module, recogniser.dimension, head="norm").eval(), record)


class Distillation(Objective):
    """|score - target| (smoothed) + ranking x pair loss + guide x (1 - cosine to the teachers' embedding).

    The cosine is between the teachers' unit embedding and a linear map of the student's, which is learnt
    beside the student and dropped after training. It gives a student of few crops more to learn than one
    number each.

    Source:
        Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531, for the
        idea; Romero et al., "FitNets", ICLR 2015, arXiv 1412.6550, for the guide.
    """

    needs = ("labels",)
    takes = ("embeddings",)
    heads = ("sigmoid", "linear", "mlp")
    targets: Tensor
    references: Tensor

    def __init__(self, facts: Facts, *, guide: float = 1.0, ranking: float = 0.0) -> None:
        """Weigh the parts.

        Args:
            facts: Targets in [0, 1] and, for the guide, reference embeddings.
            guide: Weight of the guide, 0 or more; 0 leaves it out.
            ranking: Weight of the pair loss, 0 or more.

        Raises:
            SettingsError: If a weight is negative, or there is a guide and no embeddings.
        """
        super().__init__(facts)
        if min(guide, ranking) < 0:
            raise SettingsError(f"weights of a loss are 0 or more, got guide {guide}, ranking {ranking}")
        if guide and facts.references is None:
            raise SettingsError("a guide needs embeddings; give them or guide 0")
        assert facts.targets is not None  # by `needs`
        self.guide, self.ranking = guide, ranking
        self.keep("targets", facts.targets)
        if guide:
            assert facts.references is not None
            self.keep("references", facts.references)
            self.project = nn.Linear(facts.dimension, facts.references.shape[1])

    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """The loss of a batch."""
        targets = self.targets[rows]
        loss = F.smooth_l1_loss(scores, targets, beta=_WIDTH)
        if self.ranking:
            loss = loss + self.ranking * ranking_loss(scores / _WIDTH, targets)
        if self.guide:
            cosine = F.cosine_similarity(self.project(embeddings), self.references[rows].float())
            loss = loss + self.guide * (1 - cosine).mean()
        return loss


def taught(
    images: CropSource, teacher: Teacher, *, cache: Path, progress: Progress = silent
) -> NDArray[np.float32]:
    """What a teacher says of n crops, from the cache or computed into it; a run that is cut off goes on.

    Returns:
        (n, 1 + d): the score, then the raw embedding under its head.
    """
    network, inputs = above_cut(images, *(teacher.regressor, teacher.record), cache=cache, progress=progress)

    @torch.inference_mode()
    def block(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(rows), _BATCH):
            embeddings, scores = network.embed_and_score(inputs(rows[start : start + _BATCH]))
            parts.append(torch.cat([scores[:, None], embeddings], dim=1).cpu().numpy())
        return np.concatenate(parts)

    key = "\n".join([images.digest, state_digest(teacher.regressor), str(teacher.record.spec)])
    key = hashlib.sha256(key.encode()).hexdigest()[:32]
    return cached(key, len(images.samples), block, cache=cache, progress=progress)


def heard(
    sources: Sequence[CropSource],
    teacher: Teacher,
    *,
    second_look: float,
    cache: Path,
    progress: Progress = silent,
) -> list[NDArray[np.float32]]:
    """What a teacher says, as `taught`, of the n crops of all sources and, if asked, of them under a blur."""
    looks = [sources]
    if second_look:
        looks.append([Softened(source, sigma=second_look) for source in sources])
    return [
        np.concatenate([taught(source, teacher, cache=cache, progress=progress) for source in look])
        for look in looks
    ]


def lesson_of(
    images: CropSource,
    outputs: Sequence[NDArray[np.floating]],
    *,
    names: Sequence[str],
    guide: float,
    ranking: float,
) -> Lesson:
    """What a student learns of n crops and their mirrors.

    Args:
        images: 2 n crops, the second half mirror images of the first.
        outputs: Of each teacher, (n, 1 + d) as `taught` gives it.
        names: Of the teachers.
        guide: Weight of the guide.
        ranking: Weight of the pair loss.

    Returns:
        Targets are the mean over the teachers of mean ranks over n - 1; references their unit embeddings side
        by side, at unit length.
    """
    ids = images.samples.sample_ids
    ranks = np.mean([mean_ranks(output[:, 0]) / (len(output) - 1) for output in outputs], axis=0)
    labels = QualityScores(ids, np.tile(ranks, 2), " and ".join(dict.fromkeys(names)), "unit")
    embeddings = None
    if guide:
        units = [output[:, 1:] / np.linalg.norm(output[:, 1:], axis=1, keepdims=True) for output in outputs]
        vectors = np.tile(np.concatenate(units, axis=1) / np.sqrt(len(units)), (2, 1))
        embeddings = EmbeddingSet(ids, vectors, np.ones(len(ids), np.float32), "teachers")
    return Lesson("distillation", Distillation, labels, embeddings, {"guide": guide, "ranking": ranking})


def distil(
    sources: Sequence[CropSource],
    teachers: Sequence[Teacher],
    *,
    student: TorchRecogniser,
    settings: TrainSettings,
    second_look: float = 0.0,
    separation: float = 0.0,
    guide: float = 1.0,
    ranking: float = 0.0,
    folder: Path,
    cache: Path,
    progress: Progress = silent,
) -> TrainResult:
    """Train a student on what teachers say; called again after a kill it goes on to the same result.

    Args:
        sources: Crops, and a `variants.Variant` or more of them; mirror images are added here.
        teachers: One or more.
        student: The network to train; left unchanged.
        settings: How to train, with ``layers="whole"``.
        second_look: Blur, as a standard deviation in pixels, of a second look that teachers take at each
            crop; the mean of both scores is learnt. 0 for none.
        separation: Share, in [0, 1], of `separations` in the targets, by the embeddings of the last look.
        guide: Weight of the teachers' embedding, see `Distillation`.
        ranking: Weight of the pair loss.
        folder: Where to write, as `train` does.
        cache: Folder of what the teachers said.
        progress: Called with (done, total), over chunks of each teacher and then over steps.

    Raises:
        DataError: If sources share sample ids, or as `separations` or `train` does.
        SettingsError: As `train` does.
    """
    crops = Joined(sources)

    def said(teacher: Teacher) -> NDArray[np.float64]:
        looks = heard(sources, teacher, second_look=second_look, cache=cache, progress=progress)
        scores = np.mean([look[:, 0] for look in looks], axis=0)
        if separation:
            apart = separations(looks[-1][:, 1:], crops.samples.subject_codes(), crops.originals)
            scores = ranks_moved(scores, apart, share=separation)
        return np.column_stack([scores, looks[0][:, 1:]])

    outputs = [said(teacher) for teacher in teachers]
    manner = ", looking twice" * bool(second_look) + f", {separation:g} of it separation" * bool(separation)
    names = [teacher.record.teacher + manner for teacher in teachers]
    images = Mirrored(crops)
    lesson = lesson_of(images, outputs, names=names, guide=guide, ranking=ranking)
    return train(images, lesson, recogniser=student, settings=settings, folder=folder, progress=progress)
