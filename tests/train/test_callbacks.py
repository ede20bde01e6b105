from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fiqa.core.errors import MissingDependencyError
from fiqa.train.callbacks import Validation, tensorboard, wandb

LINES = [Validation(1, 5, 0.5, 0.25, None, 1e-3, 2.0), Validation(1, 10, 0.25, 0.125, 0.5, 1e-4, 4.0)]
SCALARS = [
    {"train_loss": 0.5, "validation_loss": 0.25, "learning_rate": 1e-3},
    {"train_loss": 0.25, "validation_loss": 0.125, "spearman": 0.5, "learning_rate": 1e-4},
]


def test_what_is_undefined_has_no_point_on_a_curve() -> None:
    assert [line.scalars() for line in LINES] == SCALARS


class Run:
    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.finished = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.finished = True

    def log(self, values: dict[str, float], step: int) -> None:
        self.logged.append((step, values))


def test_wandb_is_told_of_each_validation_and_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    run, module, asked = Run(), ModuleType("wandb"), []
    module.init = lambda **options: asked.append(options) or run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    with wandb("faces", name="r", settings={"epochs": 3}) as told:
        for line in LINES:
            told(line)
        assert not run.finished
    assert asked == [{"project": "faces", "name": "r", "config": {"epochs": 3}}]
    assert run.logged == [(5, SCALARS[0]), (10, SCALARS[1])]
    assert run.finished


@pytest.mark.parametrize(
    ("module", "opened", "message"),
    [
        ("wandb", lambda folder: wandb("p", name="r", settings={}), r"wandb is needed to log to Weights"),
        ("tensorboard", tensorboard, r"tensorboard is needed to write curves for TensorBoard"),
    ],
)
def test_an_absent_package_is_named(
    module: str, opened: Any, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=message + r".*pip install 'fiqa\[track\]'"):
        opened(tmp_path).__enter__()


def test_tensorboard_reads_the_curves_back(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with tensorboard(tmp_path) as told:
        for line in LINES:
            told(line)
    found = events.EventAccumulator(str(tmp_path)).Reload()
    assert set(found.Tags()["scalars"]) == set(SCALARS[1])
    losses = [(event.step, event.value) for event in found.Scalars("validation_loss")]
    assert losses == [(5, 0.25), (10, 0.125)]
    assert [event.step for event in found.Scalars("spearman")] == [10]
