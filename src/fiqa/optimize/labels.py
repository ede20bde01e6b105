"""Label optimisation from scores, embeddings and subjects to better labels."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..comparisons.clustering import cluster_subjects
from ..comparisons.execution import Execute, in_threads
from ..comparisons.partition import Partition
from ..comparisons.vectors import UnitVectors
from ..core.arrays import finite, positions, same_length
from ..core.errors import DataError
from ..core.protocols import Progress, silent
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .credit import Credit, strengths
from .diagnostics import Diagnostics, diagnose
from .pairs import ExpectedPairs, SampledPairs
from .sampled import DrawnPairs
from .settings import OptimizeSettings
from .shift import shift_ranks
from .steps import Steps

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class OptimizeResult:
    """Optimised labels: the values of the base scores, handed out in a new order."""

    scores: QualityScores
    diagnostics: Diagnostics


def optimize(
    scores: QualityScores,
    embeddings: Sequence[EmbeddingSet],
    *,
    samples: SampleSet,
    settings: OptimizeSettings,
    clusters: NDArray[np.integer] | None = None,
    execute: Execute | None = None,
    progress: Progress = silent,
) -> OptimizeResult:
    """Improve quality labels by what mated comparisons say.

    Args:
        scores: Base scores of (at least) the samples.
        embeddings: What one or more recognisers see in (at least) the samples. Pair ranks are averaged over
            recognisers; clusters come from the first one.
        samples: Which samples to label, and whom they show. Rows of the result follow it.
        settings: How; see `settings.PRESETS`.
        clusters: (n,) cluster code of each sample, 0 or above, or None to cluster here.
        execute: Where to run; None takes the threads of this process.
        progress: Told how many parts of the work are done.

    Raises:
        DataError: If a sample has no score, embedding or cluster; if all scores or all mated similarities
            are equal; or if no subject has images in two clusters.
    """
    values = scores.at(samples.sample_ids)
    vectors = [
        UnitVectors(
            item.vectors,
            positions(samples.sample_ids, item.sample_ids, what=f"embeddings of {item.recogniser}"),
        )
        for item in embeddings
    ]
    optimised, diagnostics = optimize_values(
        values,
        samples.subject_codes(),
        vectors=vectors,
        settings=settings,
        clusters=clusters,
        execute=execute,
        progress=progress,
    )
    method = f"{scores.method}+optimised"
    return OptimizeResult(QualityScores(samples.sample_ids, optimised, method, scores.scale), diagnostics)


def optimize_values(
    values: NDArray[np.floating],
    subjects: NDArray[np.integer],
    *,
    vectors: Sequence[UnitVectors],
    settings: OptimizeSettings,
    clusters: NDArray[np.integer] | None = None,
    execute: Execute | None = None,
    progress: Progress = silent,
) -> tuple[NDArray[np.float64], Diagnostics]:
    """The same on plain columns, for data sets too large for text ids.

    Args:
        values: (n,) base scores, higher = better.
        subjects: (n,) subject code of each sample.
        vectors: One or more, each of n samples.
        settings: How; see `settings.PRESETS`.
        clusters: (n,) cluster code of each sample, 0 or above, or None to cluster here.
        execute: Where to run; None takes the threads of this process.
        progress: Told how many parts of the work are done.

    Returns:
        (n,) optimised values, and what happened.

    Raises:
        DataError: As `optimize`.
    """
    if not vectors:
        raise DataError("optimisation needs the embeddings of at least one recogniser")
    values = finite("base scores", values)
    same_length(
        values=values,
        subjects=subjects,
        **{f"vectors_{number}": range(len(item)) for number, item in enumerate(vectors)},
    )
    execute = execute or in_threads()
    work = settings.repetitions if settings.mode == "sampled" else len(vectors)
    passes = settings.rounds * work + (len(vectors) if settings.mode == "expected" else 0)
    steps = Steps(progress, passes + (clusters is None))
    if clusters is None:
        clusters = cluster_subjects(
            vectors[0],
            subjects,
            clusters=settings.clusters,
            seed=settings.seed,
            execute=execute,
            progress=steps.take(),
        ).codes
    layout = Partition.of(subjects, clusters)
    if not layout.draws.any():
        raise DataError(
            f"none of the {layout.n_subjects} subjects has images in two clusters, so there is no mated pair"
        )
    kind = SampledPairs if settings.mode == "sampled" else ExpectedPairs
    pairs = kind(list(vectors), layout, settings, execute, steps)
    shift = shift_ranks(values, pairs.credits, settings=settings)
    progress(1, 1)
    diagnostics = diagnose(shift, layout, similarity=pairs.similarity(), rank_resolution=pairs.resolution)
    logger.info("%d labels optimised, Spearman %.6f to the base", len(values), diagnostics.spearman)
    return shift.values, diagnostics


def optimize_by_pairs(
    values: NDArray[np.floating], draws: Sequence[DrawnPairs], *, settings: OptimizeSettings
) -> NDArray[np.float64]:
    """Optimise by given pairs, such as those of a published run; each draw is one repetition.

    Args:
        values: (n,) base scores, higher = better.
        draws: Mated pairs that index the values; exact repeats within a draw count once.
        settings: How; clusters, repetitions and seed have no meaning here.

    Returns:
        (n,) optimised values.

    Raises:
        DataError: If a value or similarity is not finite, all values are equal, or a pair names no value.
    """
    for draw in draws:
        finite("similarities", draw.similarity.ravel())
        ends = np.concatenate([draw.first, draw.second])
        if ends.size and not 0 <= ends.min() <= ends.max() < len(values):
            raise DataError(f"pairs index {ends.min()} to {ends.max()} of {len(values)} values")
    distinct = [draw.without_repeats() for draw in draws]
    soft = settings.credit_width > 0

    def credits(standing: NDArray[np.int64], turn: int) -> Iterator[Credit]:  # noqa: ARG001
        strength = strengths(standing, settings.credit_width)
        return (draw.credit(strength, soft=soft) for draw in distinct)

    return shift_ranks(finite("base scores", values), credits, settings=settings).values
