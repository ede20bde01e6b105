from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fiqa.core.errors import SettingsError
from fiqa.core.types import EmbeddingSet, QualityScores
from fiqa.methods import load_objective
from fiqa.train.lesson import Lesson, label_lesson
from fiqa.train.settings import TrainSettings
from networks import brightness_task, tiny_recogniser


@pytest.fixture
def labels() -> QualityScores:
    return brightness_task(3, 4)[1]


@pytest.fixture
def embeddings(labels: QualityScores) -> EmbeddingSet:
    vectors = np.random.default_rng(0).normal(size=(len(labels), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return EmbeddingSet(labels.sample_ids, vectors, np.ones(len(labels)), "tiny")


def test_what_is_missing_or_in_excess_is_named(labels: QualityScores, embeddings: EmbeddingSet) -> None:
    with pytest.raises(SettingsError, match="objective pcnet needs embeddings; give --embeddings"):
        Lesson("pcnet", load_objective("pcnet"))
    with pytest.raises(SettingsError, match="objective ediffiqa needs labels; give --labels"):
        Lesson("ediffiqa", load_objective("ediffiqa"), embeddings=embeddings)
    with pytest.raises(SettingsError, match="objective magface does not use labels; leave --labels out"):
        Lesson("magface", load_objective("magface"), labels)


def test_a_head_that_the_objective_cannot_train_is_refused(
    labels: QualityScores, embeddings: EmbeddingSet
) -> None:
    pcnet = Lesson("pcnet", load_objective("pcnet"), embeddings=embeddings)
    assert pcnet.head(None) == pcnet.head("sigmoid") == "sigmoid"
    with pytest.raises(SettingsError, match="objective pcnet trains a head sigmoid, got 'norm'"):
        pcnet.head("norm")
    assert label_lesson(labels, loss="l1").head(None) == "linear"


def test_facts_come_in_the_order_of_the_samples_that_all_know(
    labels: QualityScores, embeddings: EmbeddingSet
) -> None:
    images, _ = brightness_task(3, 4)
    few = QualityScores(labels.sample_ids[:0:-1], labels.values[:0:-1], "m")
    known = embeddings.at(embeddings.sample_ids[[9, 0, 1, 4, 5]])
    lesson = Lesson("ediffiqa", load_objective("ediffiqa"), few, known)
    settings = TrainSettings(unlabelled="skip", targets="native")
    rows, facts = lesson.facts(images.samples, recogniser=tiny_recogniser(), settings=settings)
    assert rows.tolist() == [1, 4, 5, 9]
    assert facts.codes.tolist() == [0, 1, 1, 2]
    assert facts.dimension == 8
    assert facts.targets is not None
    assert facts.references is not None
    np.testing.assert_array_equal(facts.targets, labels.values[rows].astype(np.float32))
    np.testing.assert_array_equal(facts.references, embeddings.vectors[rows])


def test_classes_start_from_embeddings_of_the_recogniser_in_training_alone(embeddings: EmbeddingSet) -> None:
    images, _ = brightness_task(3, 4)
    other = replace(embeddings, recogniser="other")
    lesson = Lesson("magface", load_objective("magface"), embeddings=other)
    with pytest.raises(
        SettingsError, match=r"needs embeddings by tiny, the recogniser in training, got .* other"
    ):
        lesson.facts(images.samples, recogniser=tiny_recogniser(), settings=TrainSettings())


def test_digests_tell_inputs_apart(labels: QualityScores, embeddings: EmbeddingSet) -> None:
    ids = labels.sample_ids[:4]
    lesson = Lesson("ediffiqa", load_objective("ediffiqa"), labels, embeddings)
    assert set(lesson.digests(ids)) == {"labels", "embeddings"}
    changed = replace(lesson, labels=QualityScores(labels.sample_ids, labels.values + 1, "m"))
    assert changed.digests(ids)["labels"] != lesson.digests(ids)["labels"]
    assert changed.digests(ids)["embeddings"] == lesson.digests(ids)["embeddings"]
