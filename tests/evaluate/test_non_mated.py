from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.types import EmbeddingSet, SampleSet
from fiqa.evaluate import non_mated
from fiqa.evaluate.error_rates import fmr_at, threshold_at_fmr
from fiqa.evaluate.non_mated import HighestScores, threshold_among_all, threshold_among_blocks
from synthetic import make_samples


def made_up(n_subjects: int, per_subject: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    samples = make_samples(n_subjects, per_subject)
    samples = samples.at(rng.permutation(samples.sample_ids))
    vectors = np.round(rng.normal(size=(len(samples), 3)), 1) + 0.05  # few directions: ties
    norms = np.linalg.norm(vectors, axis=1)
    embeddings = EmbeddingSet(
        samples.sample_ids, (vectors / norms[:, None]).astype(np.float32), norms, "made-up"
    )
    return embeddings, samples.at(np.sort(samples.sample_ids))


@pytest.mark.parametrize("tile", [3, 7, 100])
@pytest.mark.parametrize("fmr", [1e-4, 0.01, 0.3, 0.9])
def test_equals_the_threshold_of_all_pairs_one_by_one(monkeypatch, tile, fmr) -> None:
    monkeypatch.setattr(non_mated, "TILE", tile)
    monkeypatch.setattr(non_mated, "_SLACK", 5)
    embeddings, samples = made_up(9, 4)
    subjects = samples.at(embeddings.sample_ids).subject_ids
    # one by one, but in the arithmetic of a matrix product
    similarity = embeddings.vectors @ embeddings.vectors.T
    apart = subjects[:, None] != subjects
    scores = np.array([similarity[a, b] for a in range(36) for b in range(a) if apart[a, b]])
    found = threshold_among_all(embeddings, samples, fmr=fmr)
    assert found.n_non_mated == scores.size
    assert found.threshold == pytest.approx(threshold_at_fmr(scores, fmr), abs=1e-6)
    assert found.fmr == pytest.approx(fmr_at(scores, found.threshold), abs=2 / scores.size)
    assert found.fmr <= fmr


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(-5, 5), max_size=8), max_size=8),
    st.integers(1, 12),
)
def test_highest_of_a_stream(blocks, count) -> None:
    highest = HighestScores(count)
    for block in blocks:
        highest.add(np.array(block, dtype=np.float32))
    everything = sorted(score for block in blocks for score in block)
    assert highest.scores().tolist() == everything[-count:]


def test_progress_counts_the_tiles(monkeypatch) -> None:
    monkeypatch.setattr(non_mated, "TILE", 10)
    embeddings, samples = made_up(5, 5)
    seen = []
    threshold_among_all(embeddings, samples, fmr=0.1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]


def test_refusals() -> None:
    embeddings, samples = made_up(3, 2)
    with pytest.raises(SettingsError, match="fmr"):
        threshold_among_all(embeddings, samples, fmr=1.0)
    with pytest.raises(DataError, match="all samples show one subject"):
        threshold_among_all(embeddings, SampleSet(samples.sample_ids, np.full(6, "p")), fmr=0.1)
    with pytest.raises(DataError, match="samples: 1 of 6 ids are missing"):
        threshold_among_all(embeddings, samples.at(samples.sample_ids[1:]), fmr=0.1)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.floats(-1, 1, width=32), max_size=6), min_size=1, max_size=6),
    st.sampled_from([1e-4, 0.05, 0.3, 0.9]),
)
def test_threshold_of_blocks_is_that_of_the_whole(blocks, fmr) -> None:
    scores = np.array([score for block in blocks for score in block], dtype=np.float32)
    if not scores.size:
        with pytest.raises(DataError, match="no non-mated comparison"):
            threshold_among_blocks(blocks, fmr=fmr)
        return
    found = threshold_among_blocks([np.array(block, dtype=np.float32) for block in blocks], fmr=fmr)
    assert found.threshold == threshold_at_fmr(scores, fmr)
    assert found.fmr == fmr_at(scores, found.threshold)
    assert found.n_non_mated == scores.size


def test_blocks_that_cannot_be_walked_again() -> None:
    with pytest.raises(DataError, match="met 0 of 1 similarities it should"):
        threshold_among_blocks((np.array([0.1, 0.7]) for _ in range(1)), fmr=0.1)
    with pytest.raises(DataError, match="non-mated similarity must be finite"):
        threshold_among_blocks([[0.1, np.nan]], fmr=0.1)
    with pytest.raises(SettingsError, match="fmr must lie inside"):
        threshold_among_blocks([[0.1]], fmr=0.0)
