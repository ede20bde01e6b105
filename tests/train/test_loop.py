"""How a batch is worked through, when training ends, and what is validated."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError
from fiqa.core.protocols import silent
from fiqa.models.objective import Facts
from fiqa.models.regressor import Regressor
from fiqa.train.batches import pixels
from fiqa.train.data import Split
from fiqa.train.groups import published_groups
from fiqa.train.loop import Loop, TrainingData, batchnorm_statistics
from fiqa.train.losses import LOSSES, LabelRegression
from fiqa.train.settings import PRESETS, Loss, TrainSettings
from networks import SPEC, brightness_task, tiny_recogniser

SETTINGS = replace(
    PRESETS["published"], freeze_batchnorm=True, batch_size=16, epochs=3, validations=2, learning_rate=1e-2
)
STEPS = 15
"""80 training samples in 5 batches of 16, 3 times; validations after steps 2, 5, 7, 10, 12 and 15."""


def loop_of(settings: TrainSettings = SETTINGS, *, loss: Loss = "l1") -> Loop:
    images, labels = brightness_task()
    recogniser = tiny_recogniser()
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        regressor = Regressor(copy.deepcopy(recogniser.module), recogniser.dimension)
    codes, targets = images.samples.subject_codes(), (labels.values / 255).astype(np.float32)
    data = TrainingData(
        pixels(images, SPEC, device="cpu"),
        Split(np.arange(80), np.arange(80, 96)),
        *(images.samples.sample_ids, codes, targets),
    )
    objective = LabelRegression(Facts(codes, 8, targets), loss=loss)
    groups = published_groups(regressor, learning_rate=settings.learning_rate)
    return Loop(regressor, objective, groups, data=data, settings=settings)


def run(loop: Loop, **others: Callable[..., None]) -> Loop:
    ignored: dict[str, Any] = {"keep": lambda _: None, "save": lambda: None, "progress": silent}
    loop.run(**{**ignored, **others})
    return loop


def state(loop: Loop) -> dict[str, torch.Tensor]:
    return copy.deepcopy(loop.learner.state_dict())


@pytest.mark.parametrize("loss", ["l1", "huber", "smooth_l1"])
@pytest.mark.parametrize("parts", [2, 3, 16])
def test_small_batches_together_have_the_gradient_of_the_large_one(parts: int, loss: Loss) -> None:
    whole, cut = loop_of(loss=loss), loop_of(replace(SETTINGS, accumulate=parts), loss=loss)
    rows = np.random.default_rng(0).permutation(80)[:16]
    losses = [loop._differentiate(rows) for loop in (whole, cut)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for first, second in zip(whole.trained, cut.trained, strict=True):
        torch.testing.assert_close(second.grad, first.grad, rtol=1e-4, atol=1e-6)


def test_a_training_in_parts_comes_out_as_one_in_whole_batches() -> None:
    whole, cut = run(loop_of()), run(loop_of(replace(SETTINGS, accumulate=4)))
    for first, second in zip(whole.history, cut.history, strict=True):
        assert second.validation_loss == pytest.approx(first.validation_loss, rel=1e-3)


def test_averages_have_a_slow_twin_and_are_what_is_kept() -> None:
    loop = loop_of(replace(SETTINGS, ema=0.4, epochs=1, validations=5))
    twin, kept, raw = state(loop), [], []

    def follow(step: int, total: int) -> None:
        now = state(loop)
        decay = min(0.4, step / (step + 9))
        for name, parameter in loop.learner.named_parameters():
            if parameter.requires_grad:
                twin[name] = decay * twin[name] + (1 - decay) * now[name]
        raw.append(now)
        if kept and kept[-1][0] == step:
            for name, _ in loop.learner.named_parameters():
                torch.testing.assert_close(kept[-1][1][name], twin[name])

    run(loop, keep=lambda best: kept.append((best.step, state(loop))), progress=follow)
    assert len(kept) > 1
    assert not torch.equal(kept[-1][1]["head.weight"], raw[kept[-1][0] - 1]["head.weight"])


def test_statistics_to_average_over_processes_are_those_of_all_batchnorm_layers() -> None:
    regressor = loop_of().learner
    names = {id(buffer): name for name, buffer in regressor.named_buffers()}
    found = [names[id(values)].rpartition(".")[2] for values in batchnorm_statistics(regressor)]
    assert found == ["running_mean", "running_var"] * 3


@pytest.mark.parametrize(("patience", "lines"), [(0, 6), (1, 3), (2, 4), (9, 6)])
def test_it_stops_when_patience_is_at_an_end(
    patience: int, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([0.5, 0.4, 0.4, 0.41, 0.5, 0.6])
    monkeypatch.setattr("fiqa.train.loop.mean_loss", lambda *_, **__: next(found))
    loop = run(loop_of(replace(SETTINGS, patience=patience)))
    assert len(loop.history) == lines
    assert loop.best.step == 5
    assert loop.over


def test_a_stopped_training_stays_stopped_and_averages_resume(tmp_path: Path) -> None:
    settings = replace(SETTINGS, ema=0.9, patience=1)
    loop = loop_of(settings)
    run(loop, save=lambda: loop.save(tmp_path / "state.pt", key="k"))
    again = loop_of(settings)
    assert again.resume(tmp_path / "state.pt", key="k")
    assert (again.over, again.step, again.history) == (loop.over, loop.step, loop.history)
    assert again.average is not None
    assert loop.average is not None
    for first, second in zip(again.average.values, loop.average.values, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(again.average.values[0], again.trained[0])


def half_precision(settings: TrainSettings) -> TrainSettings:
    """float16 on the CPU, which users are refused for its slowness: the same steps as on a GPU."""
    chosen = replace(settings)
    object.__setattr__(chosen, "precision", "float16")
    return chosen


def test_float16_scales_its_loss_and_learns_what_float32_does(tmp_path: Path) -> None:
    full, half = run(loop_of()), loop_of(half_precision(SETTINGS))
    assert half.scaler.get_scale() == 2**16
    run(half, save=lambda: half.save(tmp_path / "state.pt", key="k"))
    assert half.best.validation_loss == pytest.approx(full.best.validation_loss, rel=0.1)
    again = loop_of(half_precision(SETTINGS))
    assert again.resume(tmp_path / "state.pt", key="k")
    assert again.scaler.state_dict() == half.scaler.state_dict()


def test_a_step_of_float16_whose_gradients_overflow_is_left_out_and_the_scale_falls() -> None:
    loop = loop_of(half_precision(SETTINGS))
    weight = loop.learner.head.weight
    weight.register_hook(
        lambda gradient: gradient * torch.inf if loop.scaler.get_scale() > 2**14 else gradient
    )
    before = state(loop)
    loop._advance()
    assert all(torch.equal(tensor, before[name]) for name, tensor in state(loop).items())
    assert loop.scaler.get_scale() == 2**15
    loop._advance()
    loop._advance()
    assert loop.scaler.get_scale() == 2**14
    assert not torch.equal(weight, before["head.weight"])
    weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(DataError, match=r"gradient norm (nan|inf) after step 17 of 15"):
        exhaust(loop)


def exhaust(loop: Loop) -> None:
    for _ in range(20):
        loop._advance()


def test_all_samples_of_a_batch_without_a_finite_loss_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(LOSSES, "l1", lambda scores, _: scores.mean() * torch.nan)
    loop = loop_of()
    with pytest.raises(DataError, match=r"and 13 more; lower the learning rate .*\(nothing is kept yet\)"):
        loop._advance()
    for name in loop.data.sample_ids[loop.batches.at(0)]:
        assert name in caplog.text
