"""From crops and a lesson to a quality regressor."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.protocols import Progress, silent
from ..core.types import QualityScores, SampleSet
from ..io.atomic import atomic
from ..io.store import write_samples
from ..models.checkpoint import RegressorRecord, save_regressor, state_digest
from ..models.objective import Facts, Objective
from ..models.regressor import Regressor
from ..models.torch_recogniser import TorchRecogniser
from .batches import Inputs, activations, pixels
from .callbacks import Callback, Validation
from .data import CropSource, Split, split_as_listed, split_by_sample, split_by_subject
from .features import cached_features, held
from .groups import (
    head_groups,
    last_block_cut,
    last_block_groups,
    objective_groups,
    published_groups,
    whole_groups,
)
from .lesson import Lesson, label_lesson
from .loop import Loop, TrainingData
from .processes import Processes, joined
from .settings import TrainSettings

logger = logging.getLogger(__name__)

CHECKPOINT = "regressor.pt"
_OWN_CACHE = "features"


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind.

    Attributes:
        checkpoint: `regressor.pt` of the best validation, for `load_regressor`.
        best: That validation.
        history: All validations, as in `log.jsonl`.
        split: Rows of the crops that were learnt from and validated on.
    """

    checkpoint: Path
    best: Validation
    history: tuple[Validation, ...]
    split: Split


def train(
    images: CropSource,
    lesson: QualityScores | Lesson,
    *,
    recogniser: TorchRecogniser,
    settings: TrainSettings,
    folder: Path,
    cache: Path | None = None,
    callbacks: Sequence[Callback] = (),
    progress: Progress = silent,
) -> TrainResult:
    """Train a regressor; called again after a kill with the same arguments it goes on to the same result.

    Under `torchrun` all processes call it and share the work of each batch; the first one writes, into a
    folder that all of them read.

    Writes into `folder`: ``regressor.pt`` (the best so far, at any time), ``held_out.csv`` (samples validated
    on), ``log.jsonl`` (one line a validation) and, until it ends, ``training.pt`` (where to resume).

    Args:
        images: Aligned crops of known subjects.
        lesson: What to learn: labels, higher = more useful, or an objective and what it is built from. It
            covers each crop or more, unless the settings skip crops that it does not.
        recogniser: Whose backbone to start from; left unchanged.
        settings: How to train.
        folder: Where to write, made if absent.
        cache: Folder of cached features, where some layers stay as they are, to share between trainings on
            the same crops; None keeps them in `folder` until the training ends.
        callbacks: Told of each validation.
        progress: Called with (done, total), first over crops while features are computed, then over steps.

    Raises:
        DataError: If a crop has no label, labels are constant, there are fewer than two subjects, subjects
            are in training and validation, crops have another size, or the loss stops being finite.
        SettingsError: If the cut does not exist, the objective does not fit the head, there is nothing to
            train, or there is no GPU for ``device="cuda"``.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("device 'cuda' was asked for, but torch sees no GPU; use 'cpu'")
    if isinstance(lesson, QualityScores):
        lesson = label_lesson(lesson, loss=settings.loss)
    rows, facts = lesson.facts(images.samples, recogniser=recogniser, settings=settings)
    learnt = images.samples.at(images.samples.sample_ids[rows])
    record = _record(images, lesson, recogniser, settings, digests=lesson.digests(learnt.sample_ids))
    with joined(settings.device) as processes, torch.random.fork_rng(range(torch.cuda.device_count())):
        torch.manual_seed(settings.seed)
        objective = lesson.kind(facts, **lesson.options)
        split = _split(learnt, facts, objective, settings, listed=lesson.validation)
        regressor = Regressor(copy.deepcopy(recogniser.module), recogniser.dimension, head=record.head)
        learner, inputs, groups = _learner(
            *(images, regressor.to(settings.device), record, settings),
            cache=cache or folder / _OWN_CACHE,
            processes=processes,
            progress=progress,
        )
        groups += objective_groups(objective.to(settings.device), learning_rate=settings.learning_rate)
        data = TrainingData(
            lambda some: inputs(rows[some]), split, learnt.sample_ids, facts.codes, facts.targets
        )
        loop = Loop(learner, objective, groups, data=data, settings=settings, processes=processes)
        if processes.first:
            folder.mkdir(parents=True, exist_ok=True)
            write_samples(folder / "held_out.csv", learnt.at(learnt.sample_ids[split.validation]))
        _run(loop, regressor, record=record, folder=folder, callbacks=callbacks, progress=progress)
    kept = Split(rows[split.training], rows[split.validation])
    return TrainResult(folder / CHECKPOINT, loop.best, tuple(loop.history), kept)


def _split(
    samples: SampleSet,
    facts: Facts,
    objective: Objective,
    settings: TrainSettings,
    *,
    listed: NDArray[np.str_] | None,
) -> Split:
    """Rows of the facts to learn from and to validate on.

    Where batches hold several samples of a subject, the rows to validate on are in order of subject, so that
    they do in validation too.
    """
    rows, codes = objective.rows, facts.codes
    fraction, seed = settings.validation_fraction, settings.seed
    if listed is not None:
        parts = split_as_listed(samples.at(samples.sample_ids[rows]), listed, apart=objective.apart)
    elif objective.apart == "samples":
        parts = split_by_sample(codes[rows], fraction=fraction, seed=seed)
    else:
        targets = np.zeros(len(codes), np.float32) if facts.targets is None else facts.targets
        parts = split_by_subject(
            samples.at(samples.sample_ids[rows]), targets[rows], fraction=fraction, seed=seed
        )
    training, validation = rows[parts.training], rows[parts.validation]
    if objective.samples_per_subject > 1:
        validation = validation[np.argsort(codes[validation], kind="stable")]
    return Split(training, validation)


def _learner(
    images: CropSource,
    regressor: Regressor,
    record: RegressorRecord,
    settings: TrainSettings,
    *,
    cache: Path,
    processes: Processes,
    progress: Progress,
) -> tuple[Regressor, Inputs, list[dict[str, Any]]]:
    """The part of the regressor that runs in training, its inputs by row of the crops, optimiser groups."""
    rate = settings.learning_rate
    if record.cut is None:
        inputs = pixels(images, record.spec, device=settings.device)
        whole = whole_groups if settings.layers == "whole" else published_groups
        return regressor, inputs, whole(regressor, learning_rate=rate)
    lower, learner = regressor.split(record.cut)
    groups = (last_block_groups if settings.layers == "last-block" else head_groups)(
        learner, learning_rate=rate
    )
    if not groups:
        raise SettingsError(f"the head {record.head!r} has nothing to train; train more layers than the head")
    features = processes.in_turn(
        lambda: cached_features(
            images, lower, spec=record.spec, cache=cache, precision=settings.precision, progress=progress
        )
    )
    return learner, activations(held(features), device=settings.device), groups


def _run(
    loop: Loop,
    regressor: Regressor,
    *,
    record: RegressorRecord,
    folder: Path,
    callbacks: Sequence[Callback],
    progress: Progress,
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
        for callback in callbacks:
            callback(loop.history[-1])

    if loop.resume(state, key=key):
        logger.info("training goes on from step %d of %d", loop.step, loop.total)
    loop.run(keep=keep, save=save, progress=progress)
    if not loop.processes.first:
        return
    state.unlink()
    shutil.rmtree(folder / _OWN_CACHE, ignore_errors=True)
    logger.info(
        "train: %d samples, %d steps, best validation loss %.4f at step %d, %.1f s, %s",
        *(len(loop.data.split.training), loop.step, loop.best.validation_loss, loop.best.step),
        *(loop.history[-1].seconds, checkpoint),
    )


def _record(
    images: CropSource,
    lesson: Lesson,
    recogniser: TorchRecogniser,
    settings: TrainSettings,
    *,
    digests: dict[str, str],
) -> RegressorRecord:
    """What the regressor will be; its digest tells trainings apart."""
    cut = None
    if settings.layers == "last-block":
        cut = settings.cut or last_block_cut(recogniser.module)
    elif settings.layers == "head":
        cut = recogniser.module.output
    return RegressorRecord(
        recogniser=recogniser.name,
        recogniser_digest=state_digest(recogniser.module),
        spec=recogniser.spec,
        dimension=recogniser.dimension,
        label_method="" if lesson.labels is None else lesson.labels.method,
        targets=settings.targets,
        cut=cut,
        head=lesson.head(settings.head),
        objective=lesson.name,
        options=dict(lesson.options),
        settings=asdict(settings),
        inputs={"crops": images.digest, **digests},
    )
