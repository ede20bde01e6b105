"""The training loop: seeded, deterministic on the CPU, and resumable at every validation to the same bits."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.arrays import first_few, rank_correlation
from ..core.errors import DataError
from ..core.protocols import Progress
from ..io.atomic import atomic
from ..models.objective import Objective
from ..models.regressor import Regressor
from .average import MovingAverage
from .batches import Batches, Inputs, autocast
from .callbacks import Validation
from .data import Split
from .losses import mean_loss
from .processes import ALONE, Processes
from .settings import TrainSettings

logger = logging.getLogger(__name__)


class TrainingData(NamedTuple):
    """What the loop reads.

    Attributes:
        inputs: Rows -> a batch as the learner wants it, on its device.
        split: Rows to learn from and to validate on.
        sample_ids: (n,) names for messages.
        codes: (n,) subject of each.
        targets: (n,) labels to compare scores with; None without labels.
    """

    inputs: Inputs
    split: Split
    sample_ids: NDArray[np.str_]
    codes: NDArray[np.int64]
    targets: NDArray[np.float32] | None


class Loop:
    """Trains a regressor from batch to batch.

    The order of batches depends on the seed and the step alone and nothing else is drawn, so the state is the
    network, what the objective learns, the optimiser, averages and loss scale where there are any, the step
    and the validations so far.
    """

    def __init__(
        self,
        learner: Regressor,
        objective: Objective,
        groups: list[dict[str, Any]],
        *,
        data: TrainingData,
        settings: TrainSettings,
        processes: Processes = ALONE,
    ) -> None:
        self.learner, self.objective, self.data, self.settings = learner, objective, data, settings
        self.processes = processes
        self.optimizer = torch.optim.Adam(groups, fused=True)
        self.rates = [float(group["lr"]) for group in groups]
        self.trained = [parameter for group in groups for parameter in group["params"]]
        self.average = MovingAverage(self.trained, decay=settings.ema) if settings.ema else None
        self.scaler = torch.amp.GradScaler(settings.device, enabled=settings.precision == "float16")
        self.batches = Batches(
            data.split.training,
            size=settings.batch_size,
            seed=settings.seed,
            codes=data.codes,
            per_subject=objective.samples_per_subject,
        )
        self.per_epoch = self.batches.per_epoch
        self.total = self.per_epoch * settings.epochs
        self.step = 0
        self.history: list[Validation] = []

    @property
    def best(self) -> Validation:
        """The validation with the lowest loss, the first of equal ones."""
        return min(self.history, key=lambda validation: validation.validation_loss)

    @property
    def over(self) -> bool:
        """Whether the last step is done, or the validations since the best one are as many as is patient."""
        if self.step == self.total:
            return True
        waited = len(self.history) - 1 - self.history.index(self.best) if self.history else 0
        return 0 < self.settings.patience <= waited

    def run(
        self, *, keep: Callable[[Validation], None], save: Callable[[], None], progress: Progress
    ) -> None:
        """Go on until it is over.

        Args:
            keep: Called by the first process at each validation that is the best so far, to store the
                regressor.
            save: Called by the first process after each validation, to store the state.
            progress: Called with (steps done, steps in all).

        Raises:
            DataError: If the loss is not finite, naming the batch's first three samples. What `keep` and
                `save` stored before stays.
        """
        marks = np.linspace(0, self.per_epoch, self.settings.validations + 1)[1:].round()
        due = set(np.maximum(marks, 1).astype(int).tolist())
        start = time.monotonic() - (self.history[-1].seconds if self.history else 0.0)
        losses: list[float] = []
        while not self.over:
            losses.append(self._advance())
            if (self.step - 1) % self.per_epoch + 1 in due:
                with self.average.in_place() if self.average else nullcontext():
                    self._validate(float(np.mean(losses)), start)
                    if self.best is self.history[-1] and self.processes.first:
                        keep(self.best)
                losses = []
                if self.processes.first:
                    save()
            progress(self.step, self.total)

    @torch.no_grad()
    def predict(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Embeddings (k, d) and scores (k,) of the samples at these rows, in evaluation mode.

        Each process takes a share of the rows and gets the outputs of all.
        """
        self.learner.eval()
        size = math.ceil(self.settings.batch_size / self.settings.accumulate)
        own = np.array_split(rows, self.processes.size)[self.processes.rank]
        parts = [self._outputs(own[start : start + size]) for start in range(0, len(own), size)]
        if self.processes.size > 1:
            shared = self.processes.gather([(first.cpu(), second.cpu()) for first, second in parts])
            parts = [part for share in shared for part in share]
        embeddings, scores = (torch.cat(column).to(self._device) for column in zip(*parts, strict=True))
        return embeddings, scores

    def save(self, path: Path, *, key: str) -> None:
        """Write the state; an interrupted write leaves the one before."""
        state = {
            "key": key,
            "step": self.step,
            "history": [asdict(validation) for validation in self.history],
            "learner": self.learner.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.values if self.average else [],
            "scaler": self.scaler.state_dict(),
        }
        with atomic(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path, *, key: str) -> bool:
        """Take up the state in `path`; False if there is none or it belongs to another training."""
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.trained[0].device, weights_only=True)
        if state["key"] != key:
            return False
        self.learner.load_state_dict(state["learner"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.values = state["average"]
        self.step = state["step"]
        self.history = [Validation(**validation) for validation in state["history"]]
        return True

    def _advance(self) -> float:
        """One step; its training loss."""
        settings, step = self.settings, self.step
        rows = self.batches.at(step)
        training_mode(self.learner, freeze_batchnorm=settings.freeze_batchnorm)
        share = 0.5 * (1 + math.cos(math.pi * step / self.total)) if settings.schedule == "cosine" else 1.0
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share
        self.optimizer.zero_grad()
        loss = self._differentiate(rows)
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.trained, settings.clip_norm).item()
        overflows = self.scaler.get_scale() > 1  # gradients may, until their scale is down at 1
        if not (math.isfinite(loss) and (math.isfinite(norm) or overflows)):
            raise self._diverged(rows, loss, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        if self.average:
            self.average.update(self.step)
        return loss

    def _differentiate(self, rows: NDArray[np.int64]) -> float:
        """The loss of a batch; its gradients, summed over parts and processes, lie in the parameters.

        A part counts by its share of the samples, so that means over parts are means over the batch.
        """
        count, processes = self.settings.accumulate, self.processes
        parts = self.batches.parts(rows, count * processes.size)
        total = torch.zeros((), device=self._device)
        for part in parts[processes.rank * count : (processes.rank + 1) * count]:
            if len(part):
                loss: Tensor = self.objective(*self._outputs(part), self._on_device(part))
                loss = loss * (len(part) / len(rows))
                self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
        if processes.size > 1:
            for parameter in self.trained:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            processes.sum([total, *(parameter.grad for parameter in self.trained)])
        return total.item()

    def _validate(self, train_loss: float, start: float) -> None:
        rows, targets, processes = self.data.split.validation, self.data.targets, self.processes
        if processes.size > 1 and not self.settings.freeze_batchnorm:
            processes.average(batchnorm_statistics(self.learner))
        embeddings, scores = self.predict(rows)
        validation_loss = mean_loss(
            self.objective, embeddings, scores, self._on_device(rows), batch_size=self.settings.batch_size
        )
        if not math.isfinite(validation_loss):
            raise self._diverged(rows, validation_loss, math.nan)
        validation = Validation(
            epoch=(self.step - 1) // self.per_epoch + 1,
            step=self.step,
            train_loss=train_loss,
            validation_loss=validation_loss,
            spearman=None if targets is None else rank_correlation(scores.cpu().numpy(), targets[rows]),
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            seconds=round(time.monotonic() - start, 3),
        )
        self.history.append(processes.gather(validation)[0])

    def _outputs(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        with autocast(self._device, self.settings.precision):
            return self.learner.embed_and_score(self.data.inputs(rows))

    def _on_device(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(rows).to(self._device)

    @property
    def _device(self) -> str:
        return self.settings.device

    def _diverged(self, rows: NDArray[np.int64], loss: float, norm: float) -> DataError:
        logger.error("loss not finite in the batch of %s", ", ".join(self.data.sample_ids[rows]))
        kept = f"step {self.best.step} is kept" if self.history else "nothing is kept yet"
        return DataError(
            f"loss {loss} with gradient norm {norm} after step {self.step} of {self.total}, batch of "
            f"{first_few(self.data.sample_ids[rows])}; lower the learning rate or check these crops ({kept})"
        )


def training_mode(learner: nn.Module, *, freeze_batchnorm: bool) -> None:
    """Switch to training, without dropout: the published backbones have none.

    A recogniser's dropout in front of frozen BatchNorm statistics would widen what they normalise in
    training and not in use. On request BatchNorm goes on using its statistics and leaves them as they are.
    """
    learner.train()
    dropout = nn.modules.dropout._DropoutNd
    still = (dropout, nn.modules.batchnorm._BatchNorm) if freeze_batchnorm else dropout
    for module in learner.modules():
        if isinstance(module, still):
            module.eval()


def batchnorm_statistics(learner: nn.Module) -> list[Tensor]:
    """Running means and variances of all BatchNorm layers that keep them."""
    layers = (one for one in learner.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm))
    found = (values for layer in layers for values in (layer.running_mean, layer.running_var))
    return [values for values in found if values is not None]
