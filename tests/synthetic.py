"""Made-up data of known structure, shared by the tests of several packages."""

from __future__ import annotations

import numpy as np

from fiqa.core.types import ComparisonScores, EmbeddingSet, PairSet, QualityScores, SampleSet


def make_samples(n_subjects: int, per_subject: int) -> SampleSet:
    """Samples ``s0, s1, ...`` of subjects ``p0, p1, ...``, subject by subject."""
    subjects = np.repeat(np.arange(n_subjects), per_subject)
    return SampleSet(
        np.array([f"s{row}" for row in range(len(subjects))]), np.array([f"p{code}" for code in subjects])
    )


def make_comparisons(
    samples: SampleSet, rng: np.random.Generator, *, n_non_mated: int, digits: int = 6
) -> tuple[ComparisonScores, np.ndarray]:
    """All mated pairs, some non-mated ones, and the true usefulness (n,) of each sample.

    A mated pair is as similar as its worse sample is useful, plus noise; `digits` rounds to make ties.
    """
    codes = samples.subject_codes()
    usefulness = rng.normal(size=len(samples))
    first, second = np.triu_indices(len(samples), k=1)
    mated = codes[first] == codes[second]
    non_mated = rng.permutation(np.flatnonzero(~mated))[:n_non_mated]
    rows = rng.permutation(np.concatenate([np.flatnonzero(mated), non_mated]))
    first, second, mated = first[rows], second[rows], mated[rows]
    worse = np.minimum(usefulness[first], usefulness[second])
    similarity = np.where(mated, 0.55 + 0.15 * worse, 0.0) + rng.normal(scale=0.12, size=len(rows))
    pairs = PairSet(samples.sample_ids, first.astype(np.int32), second.astype(np.int32), mated)
    return ComparisonScores(pairs, np.round(similarity, digits), "made-up"), usefulness


def make_quality(samples: SampleSet, values: np.ndarray, method: str = "made-up") -> QualityScores:
    return QualityScores(samples.sample_ids, values, method)


def make_embeddings(
    sizes: list[int], rng: np.random.Generator, *, dimension: int = 8, spread: float = 0.6
) -> tuple[EmbeddingSet, SampleSet]:
    """Subjects with these numbers of samples around random centres, rows shuffled.

    The samples come in another order than the embeddings.
    """
    subjects = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    raw = rng.normal(size=(len(sizes), dimension))[subjects]
    raw = raw + spread * rng.normal(size=raw.shape)
    norms = np.linalg.norm(raw, axis=1)
    ids = np.array([f"s{row}" for row in range(len(subjects))])
    embeddings = EmbeddingSet(ids, (raw / norms[:, None]).astype(np.float32), norms, "made-up")
    order = rng.permutation(len(ids))
    names = np.array([f"p{code}" for code in subjects])
    return embeddings, SampleSet(ids[order], names[order])
