from __future__ import annotations

import dataclasses
import resource

import numpy as np
import pytest

from embedded import make_embedded
from fiqa.comparisons.clustering import cluster_subjects
from fiqa.comparisons.execution import in_threads
from fiqa.comparisons.partition import Partition
from fiqa.comparisons.vectors import UnitVectors
from fiqa.core.errors import DataError
from fiqa.core.types import EmbeddingSet, QualityScores, SampleSet
from fiqa.optimize import pairs
from fiqa.optimize.diagnostics import Diagnostics
from fiqa.optimize.labels import optimize, optimize_values
from fiqa.optimize.settings import PRESETS, OptimizeSettings

SIZES = [40, 1, 25, 2, 60, 33]
N = sum(SIZES)
NORMALISED = OptimizeSettings(pair_rank_unit="normalised", epsilon=0.3)


@pytest.fixture
def faces(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, vectors, subjects: scores know something of the noise that blurs the vectors."""
    vectors, subjects, noise = make_embedded(rng, SIZES)
    return rng.normal(size=N) - noise, vectors, subjects


def run(values, vectors, subjects, settings=NORMALISED, **others) -> tuple[np.ndarray, Diagnostics]:
    sources = [UnitVectors(item) for item in (vectors if isinstance(vectors, list) else [vectors])]
    return optimize_values(values, subjects, vectors=sources, settings=settings, **others)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])


@pytest.mark.parametrize("settings", [*PRESETS.values(), NORMALISED])
def test_values_are_only_handed_round(faces, settings: OptimizeSettings) -> None:
    values, diagnostics = run(*faces, settings)
    np.testing.assert_array_equal(np.sort(values), np.sort(faces[0]))
    assert diagnostics.n_samples == N
    assert 0 < diagnostics.spearman <= 1


def test_labels_come_to_know_more_of_the_truth(rng: np.random.Generator) -> None:
    vectors, subjects, noise = make_embedded(rng, [40] * 30, 32)
    base = 2 * rng.normal(size=1200) - noise
    values, _ = run(base, vectors, subjects)
    assert rank_correlation(values, -noise) > rank_correlation(base, -noise) + 0.1


def test_one_image_a_cluster_makes_all_modes_agree(faces) -> None:
    values, vectors, subjects = faces
    for unit, epsilon in (("published", 0.01), ("normalised", 0.3)):
        expected = OptimizeSettings(epsilon=epsilon, pair_rank_unit=unit)
        sampled = dataclasses.replace(expected, mode="sampled", repetitions=1)
        results = [
            run(values, vectors, subjects, settings, clusters=np.arange(N))[0]
            for settings in (expected, sampled)
        ]
        assert rank_correlation(*results) > 0.99999
        moved = np.flatnonzero(results[0] != results[1])
        assert len(moved) <= 4


def test_repetitions_converge_to_the_expected_labels(faces) -> None:
    values, vectors, subjects = faces
    clusters = np.random.default_rng(1).integers(6, size=N)
    expected = run(values, vectors, subjects, clusters=clusters)[0]
    agreement = []
    for repetitions in (1, 10, 100):
        settings = dataclasses.replace(NORMALISED, mode="sampled", repetitions=repetitions)
        agreement.append(
            rank_correlation(run(values, vectors, subjects, settings, clusters=clusters)[0], expected)
        )
    assert agreement[0] < agreement[1] < agreement[2]
    assert agreement[2] > 0.9995


@pytest.mark.parametrize("mode", ["sampled", "expected"])
def test_nothing_depends_on_the_split(faces, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    settings = dataclasses.replace(NORMALISED, mode=mode, rounds=3, credit_width=0.1)
    wanted = run(*faces, settings, execute=in_threads(1))[0]
    whole = Partition.parts
    monkeypatch.setattr(Partition, "parts", lambda self: whole(self, 3))
    monkeypatch.setattr(pairs, "_HELD_PAIRS", 5000)
    np.testing.assert_array_equal(run(*faces, settings, execute=in_threads(4))[0], wanted)


def test_sample_order_and_subject_names_do_not_matter(faces, rng: np.random.Generator) -> None:
    values, vectors, subjects = faces
    clusters = rng.integers(5, size=N)
    wanted = run(values, vectors, subjects, clusters=clusters)[0]
    order, names = rng.permutation(N), rng.permutation(len(SIZES))
    found = run(values[order], vectors[order], names[subjects[order]], clusters=clusters[order])[0]
    assert rank_correlation(found, wanted[order]) > 0.99999


def test_a_second_recogniser_has_its_say(faces, rng: np.random.Generator) -> None:
    values, vectors, subjects = faces
    other, _, _ = make_embedded(rng, SIZES)
    alone = [run(values, item, subjects, clusters=np.arange(N))[0] for item in (vectors, other)]
    both, diagnostics = run(values, [vectors, other], subjects, clusters=np.arange(N))
    assert diagnostics.similarity.shape == (2, 256)
    assert all(rank_correlation(both, one) > rank_correlation(*alone) for one in alone)
    same = run(values, [vectors, vectors], subjects, clusters=np.arange(N))[0]
    np.testing.assert_array_equal(same, alone[0])


def test_ids_align_scores_embeddings_and_samples(faces, rng: np.random.Generator) -> None:
    values, vectors, subjects = faces
    ids = np.array([f"i{row}" for row in range(N)])
    samples = SampleSet(ids, np.array([f"p{code}" for code in subjects]))
    a, b = rng.permutation(N), rng.permutation(N)
    scores = QualityScores(ids[a], values[a], "made-up", "unit")
    embeddings = EmbeddingSet(ids[b], vectors[b], np.ones(N), "net")
    steps = []
    result = optimize(
        scores,
        [embeddings],
        samples=samples,
        settings=NORMALISED,
        progress=lambda done, total: steps.append(done / total),
    )
    np.testing.assert_array_equal(result.scores.sample_ids, ids)
    np.testing.assert_array_equal(result.scores.values, run(values, vectors, subjects)[0])
    assert (result.scores.method, result.scores.scale) == ("made-up+optimised", "unit")
    assert steps == sorted(steps)
    assert steps[-1] == 1
    more = SampleSet(np.append(ids, "x"), np.append(samples.subject_ids, "p0"))
    with pytest.raises(DataError, match="quality scores of made-up: 1 of 162 ids are missing, first x"):
        optimize(scores, [embeddings], samples=more, settings=NORMALISED)
    scores = QualityScores(np.append(ids, "x"), np.append(values, 0), "made-up")
    with pytest.raises(DataError, match="embeddings of net: 1 of 162 ids are missing, first x"):
        optimize(scores, [embeddings], samples=more, settings=NORMALISED)


def test_given_clusters_are_those_of_the_clustering(faces) -> None:
    _, vectors, subjects = faces
    clusters = cluster_subjects(UnitVectors(vectors), subjects, clusters=20).codes
    np.testing.assert_array_equal(run(*faces)[0], run(*faces, clusters=clusters)[0])
    with pytest.raises(DataError, match="1 samples have no cluster, first at rows 7"):
        run(*faces, clusters=np.where(np.arange(N) == 7, -1, clusters))
    with pytest.raises(DataError, match="columns must have one length"):
        run(*faces, clusters=clusters[1:])


@pytest.mark.parametrize("mode", ["sampled", "expected"])
def test_data_without_an_answer_are_refused(faces, mode: str) -> None:
    values, vectors, subjects = faces
    settings = dataclasses.replace(NORMALISED, mode=mode)
    with pytest.raises(DataError, match="base scores are all 1"):
        run(np.ones(N), vectors, subjects, settings)
    with pytest.raises(
        DataError, match=r"all mated pairs have one similarity, 1\.0000: their ranks say nothing"
    ):
        run(values, np.repeat(vectors[:1], N, axis=0), subjects, settings, clusters=np.arange(N))
    with pytest.raises(DataError, match="none of the 161 subjects has images in two clusters"):
        run(values, vectors, np.arange(N), settings)
    with pytest.raises(DataError, match="vectors must have unit length: those of samples 3 do not"):
        run(values, np.where(np.arange(N)[:, None] == 3, 0, vectors), subjects, settings)
    with pytest.raises(DataError, match="base scores must be finite"):
        run(np.where(np.arange(N) == 3, np.nan, values), vectors, subjects, settings)
    with pytest.raises(DataError, match="values 161, subjects 161, vectors_0 160"):
        run(values, vectors[1:], subjects, settings)
    with pytest.raises(DataError, match="at least one recogniser"):
        run(values, [], subjects, settings)


@pytest.mark.slow
def test_a_subject_of_50000_images_needs_no_gram_matrix(rng: np.random.Generator) -> None:
    n = 50_000
    vectors, subjects, noise = make_embedded(rng, [n, 10], 16)
    clusters = rng.integers(20, size=n + 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    values, _ = run(-noise, vectors, subjects, clusters=clusters)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, "kilobytes; the Gram matrix would take 10 gigabytes"
    np.testing.assert_array_equal(np.sort(values), np.sort(-noise))
