"""Settings of training and the presets to start from."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from types import NoneType
from typing import Literal, get_args, get_type_hints

from ..core.errors import SettingsError

Layers = Literal["published", "whole", "last-block", "head"]
Head = Literal["linear", "sigmoid", "mlp", "norm"]
Loss = Literal["l1", "huber", "smooth_l1", "ranking"]
Targets = Literal["minmax", "rank", "native"]
Schedule = Literal["constant", "cosine"]
Unlabelled = Literal["refuse", "skip"]
Precision = Literal["float32", "bfloat16", "float16"]
Device = Literal["cpu", "cuda"]

_LEAST = {"epochs": 1, "batch_size": 1, "accumulate": 1, "validations": 1, "patience": 0, "seed": 0}


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How a regressor is trained; start from `PRESETS` and `dataclasses.replace` what differs.

    Attributes:
        layers: What learns: ``"published"`` (head and the last 100 parameter tensors of the backbone, at
            rates falling with depth), ``"whole"`` (everything, at one rate), ``"last-block"`` (head and what
            lies above `cut`; everything below runs once and is cached) or ``"head"`` (the head alone, on
            cached embeddings).
        head: Row of `regressor.HEADS`; None is the objective's own, linear for labels.
        cut: Name of the tensor to cut the network at, for ``"last-block"``; None finds the topmost cut that
            leaves the last 10 parameter tensors above it.
        epochs: Passes over the training samples, 1 or more.
        batch_size: Samples a step; an epoch's last incomplete batch is left out.
        accumulate: Parts, in each process, that a batch is worked through in: memory falls, the step stays
            that of the whole batch. Objectives over pairs take the pairs inside a part, and BatchNorm
            statistics that follow the batches follow the parts.
        learning_rate: Rate of the head and the last layers; deeper groups keep their published ratio to it.
        schedule: ``"constant"``, or ``"cosine"`` from the full rate down to 0 at the last step.
        loss: Row of `losses.LOSSES`, for labels alone: other objectives have their own.
        targets: Labels as ``"minmax"`` (published) or ``"rank"``, both in [0, 1], or ``"native"``.
        unlabelled: ``"refuse"`` makes a crop without a label or embedding an error, ``"skip"`` leaves it out.
        clip_norm: Largest gradient norm over the trained tensors together.
        freeze_batchnorm: Keep BatchNorm statistics as they are. If not, they follow the batches in all layers
            that run, trained or not, as published.
        validation_fraction: Share of subjects (of samples where an objective learns the subjects) to validate
            on, above 0, at most 0.5.
        validations: Validations an epoch, evenly spaced, the last one at its end.
        patience: Validations in a row without a lower loss that end the training; 0 trains to the end.
        ema: Decay, in [0, 1), of the moving average of all that learns, which is validated and stored in
            place of the last state; 0 averages nothing.
        precision: That the backbone computes in; the head, the loss and all weights are float32. On CPUs with
            bfloat16 instructions several times as fast, on others slower. ``"float16"``, as published, is for
            GPUs alone; its loss is scaled, and a step whose gradients overflow all the same is left out.
        device: ``"cpu"`` or ``"cuda"``. Equal seeds give equal bits on the CPU alone.
        seed: Of the split, the first weights of head and objective, and the order of batches.
    """

    layers: Layers = "last-block"
    head: Head | None = None
    cut: str | None = None
    epochs: int = 4
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    loss: Loss = "l1"
    targets: Targets = "rank"
    unlabelled: Unlabelled = "refuse"
    clip_norm: float = 5.0
    freeze_batchnorm: bool = True
    validation_fraction: float = 0.05
    validations: int = 2
    patience: int = 0
    ema: float = 0.0
    precision: Precision = "float32"
    device: Device = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            hint, value = hints[field.name], getattr(self, field.name)
            choices = get_args(get_args(hint)[0] if NoneType in get_args(hint) else hint)
            if choices and value is not None and value not in choices:
                raise SettingsError(f"{field.name} must be one of {', '.join(choices)}, got {value!r}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise SettingsError(f"{name} must be {least} or more, got {getattr(self, name)}")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingsError(f"{name} must be above 0, got {getattr(self, name)}")
        if not 0 < self.validation_fraction <= 0.5:
            raise SettingsError(f"validation_fraction must be in (0, 0.5], got {self.validation_fraction}")
        if not 0 <= self.ema < 1:
            raise SettingsError(f"ema must be in [0, 1), got {self.ema}")
        self._check_together()

    def _check_together(self) -> None:
        """Refuse values that do not go together."""
        if self.accumulate > self.batch_size:
            raise SettingsError(f"a batch of {self.batch_size} has no {self.accumulate} parts to accumulate")
        if not self.freeze_batchnorm and self.batch_size < 2 * self.accumulate:
            raise SettingsError(
                f"BatchNorm statistics need 2 samples a part, got a batch of {self.batch_size} in "
                f"{self.accumulate}; enlarge it or freeze BatchNorm"
            )
        if self.precision == "float16" and self.device == "cpu":
            raise SettingsError("float16 is for device 'cuda'; on the CPU take bfloat16 or float32")
        if self.cut is not None and self.layers != "last-block":
            raise SettingsError(f"a cut is for layers 'last-block' alone, got it with {self.layers!r}")


PRESETS: dict[str, TrainSettings] = {
    "published": TrainSettings(
        layers="published",
        epochs=1,
        batch_size=128,
        schedule="constant",
        targets="minmax",
        freeze_batchnorm=False,
        validations=20,
    ),
    "last-block": TrainSettings(),
}
