from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import Progress
from fiqa.core.types import QualityScores
from fiqa.io.store import read_samples
from fiqa.models.checkpoint import load_regressor, state_digest
from fiqa.train.callbacks import Validation
from fiqa.train.lesson import label_lesson
from fiqa.train.loop import training_mode
from fiqa.train.losses import LOSSES
from fiqa.train.settings import PRESETS, TrainSettings
from fiqa.train.training import TrainResult, train
from networks import MemoryCrops, brightness_task, deep_recogniser, tiny_recogniser

QUICK = {"epochs": 6, "batch_size": 16, "validations": 2, "learning_rate": 1e-2, "seed": 4}
PUBLISHED = replace(PRESETS["published"], **QUICK)
LAST_BLOCK = replace(PRESETS["last-block"], **QUICK, cut="t3")
STEPS = 30
"""88 training samples in 5 whole batches of 16, 6 times; validations after steps 2, 5, 7, 10, ..."""

Task = tuple[MemoryCrops, QualityScores]


@dataclass(frozen=True)
class Finished:
    settings: TrainSettings
    folder: Path
    result: TrainResult


@pytest.fixture(scope="module")
def task() -> Task:
    return brightness_task()


@pytest.fixture(scope="module", params=[PUBLISHED, LAST_BLOCK], ids=["published", "last-block"])
def finished(request: Any, task: Task, tmp_path_factory: Any) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    return Finished(request.param, folder, run(task, folder, request.param))


def run(task: Task, folder: Path, settings: TrainSettings, **others: Any) -> TrainResult:
    recogniser = others.pop("recogniser", None) or tiny_recogniser()
    return train(*task, recogniser=recogniser, settings=settings, folder=folder, **others)


def killed_at(step: int) -> Progress:
    def progress(done: int, total: int) -> None:
        if (done, total) == (step, STEPS):
            raise KeyboardInterrupt

    return progress


def tensors(result: TrainResult) -> dict[str, torch.Tensor]:
    regressor, _ = load_regressor(result.checkpoint, recogniser=tiny_recogniser())
    return regressor.state_dict()


def timeless(result: TrainResult) -> list[Validation]:
    return [replace(validation, seconds=0.0) for validation in result.history]


def assert_equal_bits(first: TrainResult, second: TrainResult) -> None:
    assert timeless(first) == timeless(second)
    expected = tensors(second)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors(first).items())


def test_it_learns(finished: Finished) -> None:
    result = finished.result
    assert result.history[-1].train_loss < 0.6 * result.history[0].train_loss
    assert result.best.validation_loss == min(line.validation_loss for line in result.history)
    assert result.best.spearman is not None
    assert result.best.spearman > 0.8


@pytest.mark.parametrize(
    "changes", [{"loss": "huber"}, {"loss": "ranking"}, {"precision": "bfloat16"}], ids=str
)
def test_other_losses_and_precisions_learn_too(task: Task, tmp_path: Path, changes: dict[str, Any]) -> None:
    best = run(task, tmp_path, replace(LAST_BLOCK, **changes)).best
    assert best.spearman is not None
    assert best.spearman > 0.8


def test_a_kill_and_a_resumption_give_the_same_bits(finished: Finished, task: Task, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(task, tmp_path, finished.settings, progress=killed_at(14))
    assert load_regressor(tmp_path / "regressor.pt", recogniser=tiny_recogniser())
    steps: list[int] = []
    resumed = run(task, tmp_path, finished.settings, progress=lambda done, _: steps.append(done))
    assert steps[-(STEPS - 12) :] == list(range(13, STEPS + 1))
    assert_equal_bits(resumed, finished.result)


def test_the_state_of_another_training_is_not_taken_up(
    finished: Finished, task: Task, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(task, tmp_path, replace(finished.settings, seed=5), progress=killed_at(8))
    assert_equal_bits(run(task, tmp_path, finished.settings), finished.result)


def test_below_the_cut_and_in_batchnorm_statistics_nothing_changes(task: Task, tmp_path: Path) -> None:
    before = tiny_recogniser().module.state_dict()
    after = tensors(run(task, tmp_path, LAST_BLOCK))
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[f"backbone.{name}"])}
    upper = tiny_recogniser().split("t3")[1]
    assert changed == {name for name, _ in upper.named_parameters()}


def test_tensors_in_no_published_group_get_no_gradient_and_stay(task: Task, tmp_path: Path) -> None:
    recogniser = deep_recogniser()
    before = recogniser.module.state_dict()
    result = run(task, tmp_path, replace(PUBLISHED, epochs=1), recogniser=recogniser)
    regressor, _ = load_regressor(result.checkpoint, recogniser=recogniser)
    names = [name for name, _ in recogniser.module.named_parameters()]
    after = regressor.backbone.state_dict()
    changed = [name for name in names if not torch.equal(before[name], after[name])]
    assert len(names) > 100
    assert changed == names[-100:]


def test_published_batchnorm_statistics_follow_the_batches(task: Task, tmp_path: Path) -> None:
    before = tiny_recogniser().module.state_dict()
    after = tensors(run(task, tmp_path, replace(PUBLISHED, epochs=1)))
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[f"backbone.{name}"])}
    assert {name for name in before if "running" in name} <= moved


def test_the_recogniser_and_the_global_generator_are_left_alone(task: Task, tmp_path: Path) -> None:
    recogniser = tiny_recogniser()
    digest, state = state_digest(recogniser.module), torch.get_rng_state()
    run(task, tmp_path, replace(PUBLISHED, epochs=1), recogniser=recogniser)
    assert state_digest(recogniser.module) == digest
    assert not any(parameter.requires_grad for parameter in recogniser.module.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_is_off_and_batchnorm_still_on_request() -> None:
    module = tiny_recogniser().module
    module.layers["channels"] = nn.Dropout2d(0.4)
    for freeze in (True, False):
        training_mode(module, freeze_batchnorm=freeze)
        learning = {type(layer) for layer in module.layers.values() if layer.training}
        assert not {nn.Dropout, nn.Dropout2d} & learning
        assert (nn.BatchNorm2d in learning) == (nn.BatchNorm1d in learning) == (not freeze)
        assert {nn.Conv2d, nn.Linear} <= learning


def test_another_seed_makes_another_regressor(finished: Finished, task: Task, tmp_path: Path) -> None:
    other = tensors(run(task, tmp_path, replace(finished.settings, seed=5)))
    assert not torch.equal(other["head.weight"], tensors(finished.result)["head.weight"])


def test_files_left_behind(finished: Finished, task: Task) -> None:
    folder, result, settings = finished.folder, finished.result, finished.settings
    assert sorted(path.name for path in folder.iterdir()) == ["held_out.csv", "log.jsonl", "regressor.pt"]
    samples, rows = task[0].samples, result.split.validation
    held_out = read_samples(folder / "held_out.csv")
    assert held_out.sample_ids.tolist() == samples.sample_ids[rows].tolist()
    assert held_out.subject_ids.tolist() == samples.subject_ids[rows].tolist()
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert lines == [asdict(validation) for validation in result.history]
    assert [(line["epoch"], line["step"]) for line in lines][:4] == [(1, 2), (1, 5), (2, 7), (2, 10)]
    _, record = load_regressor(result.checkpoint, recogniser=tiny_recogniser())
    assert (record.recogniser, record.label_method, record.cut) == ("tiny", "brightness", settings.cut)
    assert record.targets == settings.targets
    assert record.settings == asdict(settings)
    assert record.validation == asdict(result.best)
    assert record.inputs["crops"] == task[0].digest


def test_trainings_share_a_cache(task: Task, tmp_path: Path) -> None:
    images, labels = task
    run(task, tmp_path / "a", LAST_BLOCK, cache=tmp_path / "cache")
    images.loads = 0
    darkness = QualityScores(labels.sample_ids, -labels.values, "darkness")
    second = run((images, darkness), tmp_path / "b", LAST_BLOCK, cache=tmp_path / "cache")
    assert images.loads == 0
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert second.best.spearman is not None
    assert second.best.spearman > 0.8


def test_the_learning_rate_follows_its_schedule(finished: Finished) -> None:
    rates = [line.learning_rate for line in finished.result.history]
    steps = np.array([line.step for line in finished.result.history])
    cosine = 1e-2 * 0.5 * (1 + np.cos(np.pi * (steps - 1) / STEPS))
    expected = {"constant": np.full(len(steps), 1e-2), "cosine": cosine}
    np.testing.assert_allclose(rates, expected[finished.settings.schedule])


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_what_was_good(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = itertools.count(1)

    def sick(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        healthy = not torch.is_grad_enabled() or next(calls) < 8
        return (scores - targets).abs().mean() * (1.0 if healthy else math.nan)

    monkeypatch.setitem(LOSSES, "l1", sick)
    message = (
        r"loss nan with gradient norm nan after step 7 of 30, batch of s\d\d/\d.png, .*\(step \d is kept\)"
    )
    with pytest.raises(DataError, match=message):
        run(task, tmp_path, PUBLISHED)
    regressor, record = load_regressor(tmp_path / "regressor.pt", recogniser=tiny_recogniser())
    assert record.validation["step"] <= 7
    assert all(torch.isfinite(tensor).all() for tensor in regressor.state_dict().values())


def test_bad_labels_are_refused_before_anything_is_written(task: Task, tmp_path: Path) -> None:
    images, labels = task
    few = QualityScores(labels.sample_ids[3:], labels.values[3:], "norm")
    with pytest.raises(DataError, match="3 of 96 ids are missing, first s00/0"):
        run((images, few), tmp_path / "a", LAST_BLOCK)
    flat = QualityScores(labels.sample_ids, np.ones(96), "norm")
    with pytest.raises(DataError, match="labels of norm are constant"):
        run((images, flat), tmp_path / "b", LAST_BLOCK)
    assert not list(tmp_path.iterdir())


def test_crops_without_a_label_are_left_out_on_request(task: Task, tmp_path: Path) -> None:
    images, labels = task
    few = QualityScores(labels.sample_ids[3:], labels.values[3:], "norm")
    split = run((images, few), tmp_path, replace(LAST_BLOCK, epochs=1, unlabelled="skip")).split
    assert sorted([*split.training, *split.validation]) == list(range(3, 96))


def test_samples_listed_are_validated_on_and_are_part_of_the_record(task: Task, tmp_path: Path) -> None:
    images, labels = task
    listed = images.samples.sample_ids[:16]
    lesson = label_lesson(labels, loss="l1", validation=listed)
    result = run((images, lesson), tmp_path / "a", replace(LAST_BLOCK, epochs=1))
    np.testing.assert_array_equal(result.split.validation, np.arange(16))
    inputs = load_regressor(result.checkpoint, recogniser=tiny_recogniser())[1].inputs
    assert set(inputs) == {"crops", "labels", "validation"}
    strange = label_lesson(labels, loss="l1", validation=np.array(["s00/0.png", "who/1.png"]))
    with pytest.raises(DataError, match=r"crops to validate on: 1 of 2 ids are missing, first who/1.png"):
        run((images, strange), tmp_path / "b", LAST_BLOCK)


def test_callbacks_are_told_of_every_validation_once_it_is_stored(task: Task, tmp_path: Path) -> None:
    told: list[tuple[Validation, bool]] = []

    def tell(validation: Validation) -> None:
        lines = (tmp_path / "log.jsonl").read_text().splitlines()
        told.append((validation, json.loads(lines[-1]) == asdict(validation)))

    result = run(task, tmp_path, replace(LAST_BLOCK, epochs=2), callbacks=[tell])
    assert told == [(validation, True) for validation in result.history]


@pytest.mark.parametrize("settings", [PUBLISHED, LAST_BLOCK], ids=["published", "last-block"])
def test_averages_and_parts_go_on_to_the_same_bits(
    settings: TrainSettings, task: Task, tmp_path: Path
) -> None:
    settings = replace(settings, ema=0.9, accumulate=2)
    whole = run(task, tmp_path / "whole", settings)
    with pytest.raises(KeyboardInterrupt):
        run(task, tmp_path / "cut", settings, progress=killed_at(14))
    assert_equal_bits(run(task, tmp_path / "cut", settings), whole)
    assert whole.best.spearman is not None
    assert whole.best.spearman > 0.8


def test_crops_of_another_size_are_refused(task: Task, tmp_path: Path) -> None:
    images, labels = task
    large = MemoryCrops(images.images.repeat(2, axis=1).repeat(2, axis=2), images.samples)
    for settings in (PUBLISHED, LAST_BLOCK):
        with pytest.raises(DataError, match=r"crops must be \(n, 16, 16, 3\), got \(\d+, 32, 32, 3\); crop"):
            run((large, labels), tmp_path, settings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_float16_learns_on_a_gpu(task: Task, tmp_path: Path) -> None:
    best = run(task, tmp_path, replace(PUBLISHED, device="cuda", precision="float16")).best
    assert best.spearman is not None
    assert best.spearman > 0.8


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_refused(task: Task, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="torch sees no GPU"):
        run(task, tmp_path, replace(LAST_BLOCK, device="cuda"))
