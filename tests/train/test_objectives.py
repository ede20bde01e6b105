"""Training by the objectives of methods, on crops that differ in how much of a subject they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fiqa.core.arrays import rank_correlation
from fiqa.core.errors import SettingsError
from fiqa.core.protocols import silent
from fiqa.core.types import EmbeddingSet, QualityScores, SampleSet
from fiqa.methods import load_objective
from fiqa.models.checkpoint import load_regressor
from fiqa.train.lesson import Lesson
from fiqa.train.scoring import score_crops
from fiqa.train.settings import PRESETS
from fiqa.train.training import TrainResult, train
from networks import MemoryCrops, tiny_recogniser

LAST_BLOCK = replace(
    PRESETS["last-block"], cut="t3", epochs=15, batch_size=32, learning_rate=1e-2, validation_fraction=0.1
)
OPTIONS: dict[str, dict[str, Any]] = {
    "pcnet": {"samples_per_subject": 4},
    "lightqnet": {"samples_per_subject": 4},
    "cr_fiqa": {"scale": 16.0, "margin": 0.2},
    "magface": {"shortest": 0.2, "longest": 20.0},
    "ediffiqa": {"least": 1},
}
NAMES = list(OPTIONS)


Task = tuple[MemoryCrops, np.ndarray, EmbeddingSet]


@pytest.fixture(scope="module")
def task() -> Task:
    """Crops that show a pattern of their subject the more clearly the brighter they are, how clearly (n,),
    and embeddings that are as close to the subject's direction as that."""
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(20), 12)
    clarity = rng.uniform(0.1, 1, len(subjects))
    patterns = rng.uniform(0, 255, (20, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)[subjects]
    images = clarity[:, None, None, None] * patterns + rng.normal(0, 15, patterns.shape)
    ids = np.array([f"s{subject:02d}/{row}.png" for row, subject in enumerate(subjects)])
    samples = SampleSet(ids, np.array([name[:3] for name in ids]))
    vectors = clarity[:, None] * rng.normal(size=(20, 8))[subjects]
    vectors += (1 - clarity)[:, None] * rng.normal(size=vectors.shape)
    norms = np.linalg.norm(vectors, axis=1)
    embeddings = EmbeddingSet(ids, (vectors / norms[:, None]).astype(np.float32), norms, "tiny")
    return MemoryCrops(images.clip(0, 255).astype(np.uint8), samples), clarity, embeddings


def lesson(name: str, task: Task, **options: Any) -> Lesson:
    images, clarity, embeddings = task
    kind = load_objective(name)
    labels = QualityScores(images.samples.sample_ids, clarity, "clarity") if "labels" in kind.needs else None
    return Lesson(name, kind, labels, embeddings, {**OPTIONS[name], **options})


def run(name: str, task: Task, folder: Path, settings: Any = LAST_BLOCK, **others: Any) -> TrainResult:
    return train(
        task[0], lesson(name, task), recogniser=tiny_recogniser(), settings=settings, folder=folder, **others
    )


def assert_equal_bits(first: TrainResult, second: TrainResult) -> None:
    def timeless(result: TrainResult) -> list[Any]:
        return [replace(line, seconds=0.0) for line in result.history]

    def tensors(result: TrainResult) -> dict[str, torch.Tensor]:
        return load_regressor(result.checkpoint, recogniser=tiny_recogniser())[0].state_dict()

    assert timeless(first) == timeless(second)
    expected = tensors(second)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors(first).items())


@pytest.mark.parametrize("name", NAMES)
def test_a_kill_and_a_resumption_give_the_same_bits(name: str, task: Task, tmp_path: Path) -> None:
    settings = replace(LAST_BLOCK, epochs=3)
    whole = run(name, task, tmp_path / "whole", settings)
    steps = whole.history[-1].step
    cut = whole.history[2].step + 1

    def kill(done: int, total: int) -> None:
        if (done, total) == (cut, steps):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(name, task, tmp_path / "cut", settings, progress=kill)
    state = torch.load(tmp_path / "cut" / "training.pt", weights_only=True)
    assert (set(state["objective"]) == {"directions"}) == (name in ("cr_fiqa", "magface"))
    seen: list[int] = []
    resumed = run(
        name, task, tmp_path / "cut", settings, progress=lambda done, total: seen.append(done) or silent(0, 0)
    )
    assert seen[-1] == steps
    assert cut - 1 not in seen[-(steps - cut) :]
    assert_equal_bits(resumed, whole)


@pytest.mark.parametrize("name", NAMES)
def test_each_learns_to_lower_its_loss_and_leaves_a_regressor(name: str, task: Task, tmp_path: Path) -> None:
    result = run(name, task, tmp_path)
    assert result.history[-1].train_loss < result.history[0].train_loss
    regressor, record = load_regressor(result.checkpoint, recogniser=tiny_recogniser())
    kind = load_objective(name)
    assert (record.objective, record.head, record.cut) == (name, kind.heads[0], "t3")
    assert record.options == OPTIONS[name]
    assert set(record.inputs) == {"crops", *kind.needs, *kind.takes}
    scores = score_crops(task[0], regressor, record=record)
    assert scores.method == f"regressor of {record.teacher}"
    agreement = rank_correlation(scores.values, task[1])
    assert agreement is not None
    assert agreement > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_validation_is_on_other_subjects_or_on_other_samples_of_the_same(
    name: str, task: Task, tmp_path: Path
) -> None:
    split = run(name, task, tmp_path, replace(LAST_BLOCK, epochs=1)).split
    subjects = task[0].samples.subject_ids
    shared = set(subjects[split.training]) & set(subjects[split.validation])
    assert not set(split.training) & set(split.validation)
    if name in ("cr_fiqa", "magface"):
        assert shared == set(subjects[split.validation])
    else:
        assert not shared


def test_the_published_layers_learn_by_an_objective_too(task: Task, tmp_path: Path) -> None:
    settings = replace(PRESETS["published"], epochs=4, batch_size=32, validations=1)
    result = run("pcnet", task, tmp_path, settings)
    assert result.history[-1].train_loss < result.history[0].train_loss


def test_the_head_alone_learns_on_cached_embeddings_and_leaves_the_backbone(
    task: Task, tmp_path: Path
) -> None:
    images, clarity, _ = task
    labels = QualityScores(images.samples.sample_ids, 3 * clarity, "clarity")
    settings = replace(
        LAST_BLOCK, cut=None, layers="head", head="mlp", loss="smooth_l1", targets="native", epochs=30
    )
    cache = tmp_path / "cache"
    recogniser = tiny_recogniser()
    result = train(
        images, labels, recogniser=recogniser, settings=settings, folder=tmp_path / "out", cache=cache
    )
    regressor, record = load_regressor(result.checkpoint, recogniser=recogniser)
    state = recogniser.module.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in regressor.backbone.state_dict().items())
    assert (record.head, record.cut, record.targets) == ("mlp", recogniser.module.output, "native")
    images.loads = 0
    scores = score_crops(images, regressor, record=record, cache=cache)
    assert images.loads == 0
    agreement = rank_correlation(scores.values, clarity)
    assert agreement is not None
    assert agreement > 0.5
    assert np.abs(scores.values.mean() - 3 * clarity.mean()) < 0.3


def test_a_head_without_parameters_cannot_learn_alone(task: Task, tmp_path: Path) -> None:
    settings = replace(LAST_BLOCK, cut=None, layers="head")
    with pytest.raises(SettingsError, match="the head 'norm' has nothing to train; train more layers"):
        run("magface", task, tmp_path, settings)


def test_another_option_is_another_training(task: Task, tmp_path: Path) -> None:
    settings = replace(LAST_BLOCK, epochs=1)
    images = task[0]

    def stop(done: int, total: int) -> None:
        if total > 5 and done == total - 1:
            raise KeyboardInterrupt

    raw = lesson("pcnet", task, scaling="raw")
    with pytest.raises(KeyboardInterrupt):
        train(images, raw, recogniser=tiny_recogniser(), settings=settings, folder=tmp_path, progress=stop)
    assert (tmp_path / "training.pt").exists()
    assert_equal_bits(
        run("pcnet", task, tmp_path, settings), run("pcnet", task, tmp_path / "fresh", settings)
    )
