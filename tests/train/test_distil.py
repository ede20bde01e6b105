from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fiqa.core.arrays import mean_ranks, rank_correlation
from fiqa.core.errors import SettingsError
from fiqa.core.protocols import Progress, silent
from fiqa.models.checkpoint import load_regressor, state_digest
from fiqa.models.objective import Facts
from fiqa.train.distil import Distillation, Teacher, distil, lesson_of, norm_teacher, taught
from fiqa.train.lesson import Lesson
from fiqa.train.scoring import score_crops
from fiqa.train.separation import ranks_moved, separations
from fiqa.train.settings import PRESETS, TrainSettings
from fiqa.train.training import TrainResult, train
from fiqa.train.variants import Joined, Mirrored, Softened, Variant
from networks import MemoryCrops, brightness_task, tiny_recogniser

SETTINGS = TrainSettings(
    layers="whole", head="sigmoid", epochs=4, batch_size=16, learning_rate=1e-2, freeze_batchnorm=False
)


def darker(image: np.ndarray, sample_id: str) -> np.ndarray:
    return image // 2


@pytest.fixture(scope="module")
def crops() -> MemoryCrops:
    return brightness_task()[0]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: Any) -> Teacher:
    images, labels = brightness_task()
    settings = replace(PRESETS["last-block"], epochs=6, batch_size=16, learning_rate=1e-2, cut="t3")
    folder = tmp_path_factory.mktemp("teacher")
    recogniser = tiny_recogniser()
    result = train(images, labels, recogniser=recogniser, settings=settings, folder=folder)
    return Teacher(*load_regressor(result.checkpoint, recogniser=recogniser))


def distilled(crops: MemoryCrops, teacher: Teacher, folder: Path, progress: Progress = silent) -> TrainResult:
    cache = folder / "cache"
    return distil(
        [crops, Variant(crops, name="1", vary=darker, recipe="darker", cache=cache)],
        [teacher, teacher],
        student=tiny_recogniser(seed=9),
        settings=SETTINGS,
        folder=folder / "out",
        cache=cache,
        progress=progress,
    )


def test_targets_are_what_the_teacher_says_of_each_variant(
    crops: MemoryCrops, teacher: Teacher, tmp_path: Path
) -> None:
    variant = Variant(crops, name="1", vary=darker, recipe="darker", cache=tmp_path)
    outputs = taught(variant, teacher, cache=tmp_path)
    fresh = MemoryCrops(crops.images // 2, variant.samples)
    rescored = score_crops(fresh, teacher.regressor, record=teacher.record)
    np.testing.assert_allclose(outputs[:, 0], rescored.values, atol=2e-3)
    assert np.std(outputs[:, 0]) > 0.02
    again = taught(variant, teacher, cache=tmp_path)
    np.testing.assert_array_equal(outputs, again)


def test_a_second_look_moves_targets_to_the_mean_of_both(
    crops: MemoryCrops, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessons: list[Lesson] = []
    monkeypatch.setattr("fiqa.train.distil.train", lambda images, lesson, **rest: lessons.append(lesson))
    for sigma in (0.0, 2.0):
        distil(
            [crops],
            [teacher],
            student=tiny_recogniser(seed=9),
            settings=SETTINGS,
            second_look=sigma,
            folder=tmp_path / "out",
            cache=tmp_path,
        )
    looks = [taught(look, teacher, cache=tmp_path)[:, 0] for look in (crops, Softened(crops, sigma=2))]
    first, both = (lesson.labels for lesson in lessons)
    n_crops = len(crops.samples)
    np.testing.assert_allclose(first.values[:n_crops], mean_ranks(looks[0]) / (n_crops - 1))
    np.testing.assert_allclose(both.values[:n_crops], mean_ranks((looks[0] + looks[1]) / 2) / (n_crops - 1))
    assert not np.array_equal(first.values, both.values)
    assert both.method == f"{first.method}, looking twice"


def test_separation_moves_targets_by_the_embeddings_of_the_last_look(
    crops: MemoryCrops, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessons: list[Lesson] = []
    monkeypatch.setattr("fiqa.train.distil.train", lambda images, lesson, **rest: lessons.append(lesson))
    sources = [crops, Variant(crops, name="1", vary=darker, recipe="darker", cache=tmp_path)]
    distil(
        sources,
        [teacher],
        student=tiny_recogniser(seed=9),
        settings=SETTINGS,
        second_look=2.0,
        separation=0.3,
        folder=tmp_path / "out",
        cache=tmp_path,
    )
    both = Joined(sources)
    sharp, soft = (
        np.concatenate([taught(look(source), teacher, cache=tmp_path) for source in sources])
        for look in (lambda source: source, lambda source: Softened(source, sigma=2))
    )
    apart = separations(soft[:, 1:], both.samples.subject_codes(), both.originals)
    blended = ranks_moved((sharp[:, 0] + soft[:, 0]) / 2, apart, share=0.3)
    labels = lessons[0].labels
    n_images = len(both.samples)
    np.testing.assert_allclose(labels.values[:n_images], mean_ranks(blended) / (n_images - 1))
    np.testing.assert_allclose(labels.values[n_images:], labels.values[:n_images])
    assert labels.method.endswith(", looking twice, 0.3 of it separation")


def test_the_norm_of_a_recogniser_teaches_without_training(crops: MemoryCrops, tmp_path: Path) -> None:
    recogniser = tiny_recogniser()
    outputs = taught(crops, norm_teacher(recogniser), cache=tmp_path)
    lengths = np.linalg.norm(outputs[:, 1:], axis=1)
    np.testing.assert_allclose(outputs[:, 0], lengths, rtol=1e-5)
    np.testing.assert_allclose(outputs[:, 1:], recogniser.embed(crops.images), atol=0.05)


def test_a_lesson_is_the_mean_rank_and_holds_for_mirror_images() -> None:
    images = Mirrored(brightness_task(1, 3)[0])
    outputs = [
        np.array([[5.0, 3, 4], [1, 1, 0], [9, 0, 2]], np.float32),
        np.array([[0.1, 1], [0.3, -2], [0.3, 1]], np.float32),
    ]
    lesson = lesson_of(images, outputs, names=["first", "second"], guide=1, ranking=0)
    assert lesson.labels is not None
    assert lesson.embeddings is not None
    expected = [(0.5 + 0) / 2, (0 + 0.75) / 2, (1 + 0.75) / 2]
    np.testing.assert_allclose(lesson.labels.at(images.samples.sample_ids), expected * 2)
    assert lesson.labels.method == "first and second"
    root = math.sqrt(0.5)
    vectors = np.array([[0.6, 0.8, 1], [1, 0, -1], [0, 1, 1]]) * root
    np.testing.assert_allclose(lesson.embeddings.vectors, np.tile(vectors, (2, 1)), atol=1e-6)
    assert lesson_of(images, outputs, names=["a", "a"], guide=0, ranking=0).embeddings is None


def test_the_loss_by_hand() -> None:
    facts = Facts(
        np.array([0, 1, 1]), 2, np.array([0.0, 0.5, 1.0], np.float32), np.array([[1.0, 0], [0, 1], [1, 0]])
    )
    rows, scores = torch.tensor([0, 2]), torch.tensor([0.05, 0.7])
    embeddings = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    errors = (0.05**2 / 0.2 + 0.3 - 0.05) / 2  # quadratic within 0.1, linear beyond
    plain = Distillation(facts, guide=0)
    assert float(plain(embeddings, scores, rows)) == pytest.approx(errors)
    assert not list(plain.parameters())
    pair = math.log1p(math.exp(-6.5))
    ranked = Distillation(facts, guide=0, ranking=2)
    assert float(ranked(embeddings, scores, rows)) == pytest.approx(errors + 2 * pair)
    guided = Distillation(facts, guide=3)
    with torch.no_grad():
        guided.project.weight.copy_(torch.eye(2))
        guided.project.bias.zero_()
    assert float(guided(embeddings, scores, rows).detach()) == pytest.approx(errors + 3 * 0.5)


def test_weights_that_make_no_sense_are_refused() -> None:
    facts = Facts(np.array([0, 1]), 2, np.zeros(2, np.float32))
    with pytest.raises(SettingsError, match="0 or more, got guide -1"):
        Distillation(facts, guide=-1)
    with pytest.raises(SettingsError, match="give them or guide 0"):
        Distillation(facts)


def test_the_student_learns_and_a_killed_run_ends_the_same(
    crops: MemoryCrops, teacher: Teacher, tmp_path: Path
) -> None:
    whole = distilled(crops, teacher, tmp_path / "whole")

    def kill(done: int, total: int) -> None:
        if total > 20 and done == total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distilled(crops, teacher, tmp_path / "killed", kill)
    resumed = distilled(crops, teacher, tmp_path / "killed")
    student = tiny_recogniser(seed=9)
    loaded = [load_regressor(result.checkpoint, recogniser=student) for result in (whole, resumed)]
    assert state_digest(loaded[0][0]) == state_digest(loaded[1][0])
    regressor, record = loaded[0]
    assert record.objective == "distillation"
    assert record.cut is None
    assert record.teacher == "distillation on brightness"
    assert whole.best.spearman is not None
    assert whole.best.spearman > 0.9
    before, after = student.module.state_dict(), regressor.backbone.state_dict()
    floats = [name for name, tensor in before.items() if tensor.is_floating_point()]
    assert all(not torch.equal(before[name], after[name]) for name in floats)
    scores = score_crops(crops, regressor, record=record).values
    assert (rank_correlation(scores, crops.images.mean(axis=(1, 2, 3))) or 0) > 0.9


def test_subjects_do_not_lie_on_both_sides(crops: MemoryCrops, teacher: Teacher, tmp_path: Path) -> None:
    result = distilled(crops, teacher, tmp_path)
    subjects = np.tile(crops.samples.subject_ids, 4)
    sides = [set(subjects[rows]) for rows in (result.split.training, result.split.validation)]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert len(result.split.training) + len(result.split.validation) == 4 * len(crops.images)
