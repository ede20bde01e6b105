"""From crops and labels to a quality regressor."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.protocols import Progress, silent
from ..core.types import QualityScores
from ..io.atomic import atomic
from ..models.checkpoint import RegressorRecord, save_regressor, state_digest
from ..models.regressor import Regressor
from ..models.torch_recogniser import TorchRecogniser
from .batches import activations, pixels
from .data import CropSource, Split, rows_to_learn, split_by_subject, targets_of
from .features import cached_features, held
from .groups import last_block_cut, last_block_groups, published_groups
from .loop import Loop, TrainingData, Validation
from .settings import TrainSettings

logger = logging.getLogger(__name__)

CHECKPOINT = "regressor.pt"


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes:
        checkpoint: `regressor.pt` of the best validation, for `load_regressor`.
        best: That validation.
        history: All validations, as in `log.jsonl`.
        split: Rows that were learnt from and validated on.
    """

    checkpoint: Path
    best: Validation
    history: tuple[Validation, ...]
    split: Split


def train(
    images: CropSource,
    labels: QualityScores,
    *,
    recogniser: TorchRecogniser,
    settings: TrainSettings,
    folder: Path,
    cache: Path | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train a regressor; called again after a kill with the same arguments it goes on to the same result.

    Writes into `folder`: ``regressor.pt`` (the best so far, at any time), ``log.jsonl`` (one line a
    validation) and, until it ends, ``training.pt`` (where to resume).

    Args:
        images: Aligned crops of known subjects.
        labels: One label for each crop or more, unless the settings skip crops without one; higher = more
            useful.
        recogniser: Whose backbone to start from; left unchanged.
        settings: How to train.
        folder: Where to write, made if absent.
        cache: Folder of cached features for ``layers="last-block"``, to share between trainings on the same
            crops; None keeps them in `folder` until the training ends.
        progress: Called with (done, total), first over crops while features are computed, then over steps.

    Raises:
        DataError: If a crop has no label, labels are constant, there are fewer than two subjects, or the
            loss stops being finite.
        SettingsError: If the cut does not exist or there is no GPU for ``device="cuda"``.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device 'cuda' was asked for, but torch sees no GPU; use 'cpu'")
    samples = images.samples
    rows = rows_to_learn(labels, samples, unlabelled=settings.unlabelled)
    learnt = samples.at(samples.sample_ids[rows])
    targets = np.zeros(len(samples), np.float32)
    targets[rows] = targets_of(labels, learnt, scaling=settings.targets)
    parts = split_by_subject(learnt, targets[rows], fraction=settings.validation_fraction, seed=settings.seed)
    split = Split(rows[parts.training], rows[parts.validation])
    record = _record(images, labels.at(learnt.sample_ids), labels.method, recogniser, settings)
    folder.mkdir(parents=True, exist_ok=True)
    own_cache = folder / "features"
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(settings.seed)
        regressor = Regressor(copy.deepcopy(recogniser.module), recogniser.dimension).to(settings.device)
        if record.cut is None:
            learner, inputs = regressor, pixels(images, record.spec, device=settings.device)
            groups = published_groups(learner, learning_rate=settings.learning_rate)
        else:
            lower, learner = regressor.split(record.cut)
            features = cached_features(
                images,
                lower,
                spec=record.spec,
                cache=cache or own_cache,
                precision=settings.precision,
                progress=progress,
            )
            inputs = activations(held(features), device=settings.device)
            groups = last_block_groups(learner, learning_rate=settings.learning_rate)
        data = TrainingData(inputs, targets, split, samples.sample_ids)
        loop = Loop(learner, groups, data=data, settings=settings)
        _run(loop, regressor, record=record, folder=folder, progress=progress)
    shutil.rmtree(own_cache, ignore_errors=True)
    return TrainResult(folder / CHECKPOINT, loop.best, tuple(loop.history), split)


def _run(
    loop: Loop, regressor: Regressor, *, record: RegressorRecord, folder: Path, progress: Progress
) -> None:
    """Run the loop from its last state in `folder`, storing the best regressor, the log and the state."""
    state, log, checkpoint = folder / "training.pt", folder / "log.jsonl", folder / CHECKPOINT
    key = hashlib.sha256(json.dumps(asdict(record)).encode()).hexdigest()

    def keep(best: Validation) -> None:
        save_regressor(checkpoint, regressor, record=replace(record, validation=asdict(best)))

    def save() -> None:
        with atomic(log) as temporary:
            temporary.write_text("".join(f"{json.dumps(asdict(line))}\n" for line in loop.history))
        loop.save(state, key=key)

    if loop.resume(state, key=key):
        logger.info("training goes on from step %d of %d", loop.step, loop.total)
    loop.run(keep=keep, save=save, progress=progress)
    state.unlink()
    logger.info(
        "train: %d samples, %d steps, best validation loss %.4f at step %d, %.1f s, %s",
        *(len(loop.data.split.training), loop.total, loop.best.validation_loss, loop.best.step),
        *(loop.history[-1].seconds, checkpoint),
    )


def _record(
    images: CropSource,
    labels: NDArray[np.floating],
    label_method: str,
    recogniser: TorchRecogniser,
    settings: TrainSettings,
) -> RegressorRecord:
    """What the regressor will be; its digest tells trainings apart."""
    cut = None
    if settings.layers == "last-block":
        cut = settings.cut or last_block_cut(recogniser.module)
    return RegressorRecord(
        recogniser=recogniser.name,
        recogniser_digest=state_digest(recogniser.module),
        spec=recogniser.spec,
        dimension=recogniser.dimension,
        label_method=label_method,
        targets=settings.targets,
        cut=cut,
        settings=asdict(settings),
        inputs={"crops": images.digest, "labels": _digest(labels)},
    )


def _digest(values: NDArray[np.floating]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
