from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from fiqa.comparisons.templates import pool_embeddings, pool_quality, template_subjects
from fiqa.core.errors import DataError
from fiqa.core.types import EmbeddingSet, PairSet, QualityScores, TemplateSet


def test_a_template_worked_by_hand() -> None:
    """Two frames of one video, (1, 0) and (0, 1), and a photograph (0, 1): (0.5, 0.5) + (0, 1)."""
    embeddings = EmbeddingSet(
        ["p", "f1", "f2"], np.array([[0, 1], [1, 0], [0, 1]], np.float32), np.ones(3), "m"
    )
    templates = TemplateSet(["f1", "f2", "p", "p"], ["7", "7", "7", "10"], ["v", "v", "photo", "photo"])
    pooled = pool_embeddings(embeddings, templates)
    assert pooled.sample_ids.tolist() == ["10", "7"]
    np.testing.assert_allclose(pooled.vectors, [[0, 1], [0.5 / 2.5**0.5, 1.5 / 2.5**0.5]], atol=1e-7)
    np.testing.assert_allclose(pooled.norms, [1, 2.5**0.5], rtol=1e-6)
    assert pooled.recogniser == "m"
    quality = pool_quality(QualityScores(["f1", "f2", "p"], [3.0, 1.0, 2.0], "q", "rank"), templates)
    assert (quality.sample_ids.tolist(), quality.values.tolist()) == (["10", "7"], [2.0, 1.0])
    assert (quality.method, quality.scale) == ("q", "rank")


def test_against_loops(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiqa.comparisons.templates._BLOCK_ROWS", 7)
    raw = rng.normal(size=(40, 5))
    vectors = (raw / np.linalg.norm(raw, axis=1)[:, None]).astype(np.float16)
    ids = np.array([f"i{row}" for row in range(40)])
    image, template, media = rng.integers(40, size=90), rng.integers(12, size=90), rng.integers(6, size=90)
    templates = TemplateSet(ids[image], template.astype(str), media.astype(str))
    sums: dict[str, np.ndarray] = {}
    by_media = defaultdict(list)
    for row in range(90):
        by_media[str(template[row]), str(media[row])].append(vectors[image[row]].astype(np.float64))
    for (name, _), frames in by_media.items():
        sums[name] = sums.get(name, np.zeros(5)) + np.mean(frames, axis=0)
    pooled = pool_embeddings(EmbeddingSet(ids, vectors, np.ones(40), "m"), templates)
    assert pooled.sample_ids.tolist() == sorted(sums)
    for name, vector in zip(pooled.sample_ids, pooled.vectors, strict=True):
        np.testing.assert_allclose(vector, sums[name] / np.linalg.norm(sums[name]), atol=1e-6)


def test_what_cannot_be_pooled() -> None:
    vectors = np.array([[1, 0], [-1, 0]], np.float32)
    embeddings = EmbeddingSet(["a", "b"], vectors, np.ones(2), "m")
    with pytest.raises(DataError, match="templates whose vectors cancel out: 3"):
        pool_embeddings(embeddings, TemplateSet(["a", "b"], ["3", "3"], ["1", "2"]))
    with pytest.raises(DataError, match="embeddings of m: 1 of 1 ids are missing, first c"):
        pool_embeddings(embeddings, TemplateSet(["c"], ["3"], ["1"]))


def test_subjects_follow_from_mated_pairs() -> None:
    pairs = PairSet(
        ["1", "2", "3", "4"], np.array([0, 1, 0]), np.array([1, 3, 2]), np.array([True, True, False])
    )
    assert template_subjects(pairs).subject_ids.tolist() == ["1", "1", "3", "1"]
