"""What a validation found, and who is told of it while training runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core.optional import require

_SCALARS = ("train_loss", "validation_loss", "spearman", "learning_rate")


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

    def scalars(self) -> dict[str, float]:
        """What is worth a curve over steps, by name; what is None is left out."""
        found = asdict(self)
        return {name: found[name] for name in _SCALARS if found[name] is not None}


Callback = Callable[[Validation], None]
"""Called after each validation, by the first process alone, once the state to resume from is stored."""


@contextmanager
def tensorboard(folder: Path) -> Iterator[Callback]:
    """Curves for TensorBoard; a resumed training adds its event file to those there.

    Raises:
        MissingDependencyError: If the package is absent.
    """
    require("tensorboard", extra="track", purpose="write curves for TensorBoard")
    module = require("torch.utils.tensorboard", extra="track", purpose="write curves for TensorBoard")

    with module.SummaryWriter(folder) as writer:

        def log(validation: Validation) -> None:
            for name, value in validation.scalars().items():
                writer.add_scalar(name, value, validation.step)
            writer.flush()

        yield log


@contextmanager
def wandb(project: str, *, name: str, settings: Mapping[str, Any]) -> Iterator[Callback]:
    """Curves of a run of a project at Weights & Biases; a resumed training is another run of that name.

    Args:
        project: Its project.
        name: Of the run.
        settings: To be shown with it.

    Raises:
        MissingDependencyError: If the package is absent.
    """
    module = require("wandb", extra="track", purpose="log to Weights & Biases")
    with module.init(project=project, name=name, config=dict(settings)) as run:
        yield lambda validation: run.log(validation.scalars(), step=validation.step)
