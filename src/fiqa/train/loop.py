"""The training loop: seeded, deterministic on the CPU, and resumable at every validation to the same bits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.protocols import Progress
from ..io.atomic import atomic
from ..models.objective import Objective
from ..models.regressor import Regressor
from .batches import Batches, Inputs
from .data import Split, spearman
from .losses import mean_loss
from .settings import TrainSettings


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


@dataclass(frozen=True)
class Validation:
    """One line of `log.jsonl`.

    Attributes:
        epoch: Epochs begun, from 1.
        step: Steps done.
        train_loss: Mean over the batches since the last validation.
        validation_loss: Over all validation samples.
        spearman: Rank correlation of scores and labels of the validation samples; None where the scores are
            constant or there are no labels.
        learning_rate: Of the head (of the last block under a head without parameters) in the last step.
        seconds: Time spent since the start, without the time between a kill and a resumption.
    """

    epoch: int
    step: int
    train_loss: float
    validation_loss: float
    spearman: float | None
    learning_rate: float
    seconds: float


class Loop:
    """Trains a regressor from batch to batch.

    The order of batches depends on the seed and the step alone and nothing else is drawn, so the state is the
    network, what the objective learns, the optimiser, the step and the validations so far.
    """

    def __init__(
        self,
        learner: Regressor,
        objective: Objective,
        groups: list[dict[str, Any]],
        *,
        data: TrainingData,
        settings: TrainSettings,
    ) -> None:
        self.learner, self.objective, self.data, self.settings = learner, objective, data, settings
        self.optimizer = torch.optim.Adam(groups, fused=True)
        self.rates = [float(group["lr"]) for group in groups]
        self.trained = [parameter for group in groups for parameter in group["params"]]
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

    def run(
        self, *, keep: Callable[[Validation], None], save: Callable[[], None], progress: Progress
    ) -> None:
        """Go on to the last step.

        Args:
            keep: Called at each validation that is the best so far, to store the regressor.
            save: Called after each validation, to store the state.
            progress: Called with (steps done, steps in all).

        Raises:
            DataError: If the loss is not finite, naming the batch's first three samples. What `keep` and
                `save` stored before stays.
        """
        marks = np.linspace(0, self.per_epoch, self.settings.validations + 1)[1:].round()
        due = set(np.maximum(marks, 1).astype(int).tolist())
        start = time.monotonic() - (self.history[-1].seconds if self.history else 0.0)
        losses: list[float] = []
        while self.step < self.total:
            losses.append(self._advance())
            if (self.step - 1) % self.per_epoch + 1 in due:
                self._validate(float(np.mean(losses)), start)
                losses = []
                if self.best is self.history[-1]:
                    keep(self.best)
                save()
            progress(self.step, self.total)

    @torch.no_grad()
    def predict(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Embeddings (k, d) and scores (k,) of the samples at these rows, in evaluation mode."""
        self.learner.eval()
        size = self.settings.batch_size
        parts = [self._outputs(rows[start : start + size]) for start in range(0, len(rows), size)]
        embeddings, scores = (torch.cat(column) for column in zip(*parts, strict=True))
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
        loss: Tensor = self.objective(*self._outputs(rows), self._on_device(rows))
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.trained, settings.clip_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise self._diverged(rows, loss.item(), norm.item())
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def _validate(self, train_loss: float, start: float) -> None:
        rows, targets = self.data.split.validation, self.data.targets
        embeddings, scores = self.predict(rows)
        validation_loss = mean_loss(
            self.objective, embeddings, scores, self._on_device(rows), batch_size=self.settings.batch_size
        )
        if not math.isfinite(validation_loss):
            raise self._diverged(rows, validation_loss, math.nan)
        self.history.append(
            Validation(
                epoch=(self.step - 1) // self.per_epoch + 1,
                step=self.step,
                train_loss=train_loss,
                validation_loss=validation_loss,
                spearman=None if targets is None else spearman(scores.cpu().numpy(), targets[rows]),
                learning_rate=float(self.optimizer.param_groups[0]["lr"]),
                seconds=round(time.monotonic() - start, 3),
            )
        )

    def _outputs(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        enabled = self.settings.precision == "bfloat16"
        with torch.autocast(self.settings.device, torch.bfloat16, enabled=enabled):
            return self.learner.embed_and_score(self.data.inputs(rows))

    def _on_device(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(rows).to(self.settings.device)

    def _diverged(self, rows: NDArray[np.int64], loss: float, norm: float) -> DataError:
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
