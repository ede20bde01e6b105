"""What every method of the table promises: these tests run over the table."""

from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.core.protocols import LabelSource, QualityMethod
from fiqa.core.types import EmbeddingSet, FaceCrops, SampleSet
from fiqa.methods import METHODS, load_label_source, load_method
from networks import regressor_file, tiny_recogniser
from onnx_models import brightness, saved
from synthetic import make_embeddings

SCORERS = [row for row in METHODS if row.target]
LABELLERS = [row for row in METHODS if row.labels_from]
SMALL = {
    "ser_fiq": {"passes": 10, "scaling": "plain"},
    "faceqan": {"copies": 2, "steps": 2, "epsilon": 0.01},
    "froq": {"layers": ["004_batchnorm2d", "008_linear"]},
}


@pytest.fixture(params=SCORERS, ids=lambda row: row.name)
def row(request):
    return request.param


@pytest.fixture
def build(row, tmp_path):
    """Builds the method with a given seed."""
    recogniser = tiny_recogniser()
    checkpoint, _ = regressor_file(tmp_path, recogniser)
    weights = saved(brightness(size=16), tmp_path / "brightness.onnx")

    def make(seed=0):
        return load_method(
            row.name,
            recogniser,
            checkpoint=checkpoint,
            weights=weights,
            contract=recogniser.spec,
            seed=seed,
            settings=SMALL.get(row.name),
        )

    return make


@pytest.fixture
def crops(build, rng):
    size, n = build().spec.size, 7
    coarse = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    images = coarse.repeat(size // 4, axis=1).repeat(size // 4, axis=2)
    landmarks = rng.uniform(0, size, (n, 5, 2)).astype(np.float32)
    return FaceCrops(images, landmarks, rng.uniform(0.3, 2, n).astype(np.float32))


def close(values):
    return pytest.approx(values, rel=1e-4, abs=1e-7)


def test_one_finite_score_a_crop(build, crops):
    method = build()
    scores = method.score(crops)
    assert isinstance(method, QualityMethod)
    assert scores.shape == (7,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert np.ptp(scores) > 0
    assert method.score(crops.rows(slice(0, 0))).shape == (0,)


def test_one_seed_one_result(build, row, crops):
    scores = build(seed=3).score(crops)
    np.testing.assert_array_equal(build(seed=3).score(crops), scores)
    assert row.deterministic == np.array_equal(build(seed=4).score(crops), scores)


def test_a_second_call_gives_the_same(build, crops):
    method = build()
    np.testing.assert_array_equal(method.score(crops), method.score(crops))


def test_a_score_depends_on_its_crop_alone(build, crops):
    method = build()
    scores = method.score(crops)
    singles = [method.score(crops.rows(slice(row, row + 1)))[0] for row in range(len(crops))]
    assert singles == close(scores)
    order = np.array([5, 0, 3, 6, 1, 4, 2])
    assert method.score(crops.rows(order)) == close(scores[order])


def test_crops_are_left_unchanged(build, crops):
    before = crops.images.copy()
    build().score(crops)
    np.testing.assert_array_equal(crops.images, before)


def test_crops_of_another_size_are_refused(build):
    with pytest.raises(DataError, match=r"crops must be \(n, "):
        build().score(FaceCrops(np.zeros((1, 40, 40, 3), np.uint8)))


@pytest.fixture(params=LABELLERS, ids=lambda row: row.name)
def labeller(request):
    return request.param


@pytest.fixture
def labels(labeller):
    """Labels for embeddings and samples, from a fresh source and generator."""

    def of(embeddings, samples, seed=0):
        source = load_label_source(labeller.name)
        assert isinstance(source, LabelSource)
        return source.labels(embeddings, samples, np.random.default_rng(seed))

    return of


def test_one_finite_label_a_sample_in_order(labels, labeller, rng):
    embeddings, samples = make_embeddings([4, 3, 5, 2], rng)
    found = labels(embeddings, samples)
    assert found.method == labeller.name
    assert (found.sample_ids == embeddings.sample_ids).all()
    assert np.ptp(found.values) > 0


def test_labels_repeat_under_a_seed(labels, labeller, rng):
    embeddings, samples = make_embeddings([60, 70, 80], rng)
    found = labels(embeddings, samples, seed=1).values
    np.testing.assert_array_equal(labels(embeddings, samples, seed=1).values, found)
    assert labeller.deterministic_labels == np.array_equal(labels(embeddings, samples, seed=2).values, found)


def test_the_order_of_samples_does_not_matter(labels, rng):
    embeddings, samples = make_embeddings([4, 3, 5, 2], rng)
    order = rng.permutation(len(samples))
    again = labels(embeddings, SampleSet(samples.sample_ids[order], samples.subject_ids[order]))
    np.testing.assert_array_equal(again.values, labels(embeddings, samples).values)


def test_labels_follow_their_embeddings(labels, labeller, rng):
    if not labeller.deterministic_labels and labeller.name != "sdd_fiqa":
        pytest.skip("draws in the order of the samples")
    embeddings, samples = make_embeddings([4, 3, 5, 2], rng)
    order = rng.permutation(len(samples))
    shuffled = embeddings.at(embeddings.sample_ids[order])
    found = labels(embeddings, samples)
    assert labels(shuffled, samples).values == close(found.at(shuffled.sample_ids))


def test_half_precision_embeddings_do(labels, rng):
    embeddings, samples = make_embeddings([4, 3, 5, 2], rng)
    half = EmbeddingSet(
        embeddings.sample_ids, embeddings.vectors.astype(np.float16), embeddings.norms, "half"
    )
    expected = labels(embeddings, samples).values
    np.testing.assert_allclose(labels(half, samples).values, expected, atol=0.01 * np.ptp(expected))


def test_samples_without_a_label_are_left_out_in_order(labels, rng):
    embeddings, samples = make_embeddings([4, 1, 3, 1, 5], rng)
    found = labels(embeddings, samples).sample_ids
    kept = np.isin(embeddings.sample_ids, found)
    np.testing.assert_array_equal(found, embeddings.sample_ids[kept])
    subjects = samples.at(embeddings.sample_ids).subject_ids
    assert len(found) in (14, 12)
    if len(found) == 12:
        assert not set(subjects[~kept]) & set(subjects[kept])


def test_a_sample_of_unknown_subject_is_refused(labels, labeller, rng):
    if labeller.name in ("embedding_norm", "random_labels"):
        pytest.skip("does not look at subjects")
    embeddings, samples = make_embeddings([4, 3], rng)
    kept = samples.sample_ids != "s2"
    fewer = SampleSet(samples.sample_ids[kept], samples.subject_ids[kept])
    with pytest.raises(DataError, match="samples: 1 of 7 ids are missing, first s2"):
        labels(embeddings, fewer)
