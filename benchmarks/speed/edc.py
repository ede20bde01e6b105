"""Discard curves, intervals and thresholds: seconds, and how many times a plain implementation takes.

    python -m benchmarks.speed.edc

The plain one keeps a dictionary a pair, in a list, and follows the same convention step by step. Both start
from what they work on (arrays, dictionaries), so that no time is spent on turning one into the other, and
both must give the same areas. Streamed comparisons are walked in blocks of a million, a few distinct ones
over and over, so that only the work is timed; the sizes show that time grows linearly and memory not at all.
"""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import write_results

from fiqa.core.types import ComparisonScores, EmbeddingSet, PairSet, QualityScores, SampleSet
from fiqa.evaluate.edc import discard_order, edc
from fiqa.evaluate.non_mated import threshold_among_all, threshold_among_blocks
from fiqa.evaluate.pauc import Measure, areas
from fiqa.evaluate.resample import bootstrap
from fiqa.evaluate.streamed import StreamedEdc

LIMITS = (0.2, 0.3, 0.95)
REPEATS = 5
BLOCK = 1_000_000


def main() -> None:
    rows = [
        *(streamed(millions) for millions in (1, 10, 100)),
        all_non_mated(13_233, dimension=512, n_subjects=5_749),
        curves(1_000_000),
        intervals(6_000, n_methods=6, replicates=1000),
    ]
    write_results(Path(__file__).parent / "results" / "edc.csv", rows)
    for row in rows:
        print(row)


class Blocks:
    """The same few blocks over and over, as often as asked, each time they are walked."""

    def __init__(self, blocks: Sequence[Any], count: int) -> None:
        self.blocks, self.count = blocks, count

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(itertools.cycle(self.blocks), self.count)


def streamed(millions: int) -> dict[str, Any]:
    """Threshold and EDC with three areas of so many mated, and ten times as many non-mated, comparisons."""
    rng = np.random.default_rng(3)
    n_samples = 100_000
    ids = np.arange(n_samples).astype(str)
    quality = QualityScores(ids, np.round(rng.random(n_samples), 4), "rounded")
    non_mated = [rng.normal(0, 0.2, BLOCK).astype(np.float32) for _ in range(4)]
    mated = [
        (*rng.integers(n_samples, size=(2, BLOCK)), rng.normal(0.6, 0.2, BLOCK).astype(np.float32))
        for _ in range(4)
    ]
    before = peak_megabytes()

    def work() -> list[float]:
        found = threshold_among_blocks(Blocks(non_mated, 10 * millions), fmr=1e-3)
        stream = StreamedEdc(quality, threshold=found.threshold, recogniser="made-up")
        for block in Blocks(mated, millions):
            stream.add(*block)
        return [areas(stream.curve(), limit=limit).raw for limit in LIMITS]

    seconds, _ = timed(work, repeats=1)
    return {
        "work": f"streamed EDC of {millions} M mated and {10 * millions} M non-mated comparisons",
        "seconds": round(seconds, 3),
        "plain_seconds": "",
        "ratio": "",
        "megabytes": round(peak_megabytes() - before),
    }


def curves(n_mated: int) -> dict[str, Any]:
    """One curve with three areas of many mated pairs with ties, against the plain implementation."""
    rng = np.random.default_rng(0)
    comparisons, _ = make_comparisons(rng, n_samples=n_mated // 10, n_mated=n_mated, n_non_mated=10_000)
    ids = comparisons.pairs.sample_ids
    quality = QualityScores(ids, np.round(1000 * rng.random(len(ids))), "rounded")

    def fast() -> list[float]:
        curve = edc(comparisons, quality, fmr=1e-3)
        return [areas(curve, limit=limit).raw for limit in LIMITS]

    pairs = comparisons.pairs
    records = [
        {"mated": mated, "similarity": similarity, "first": first, "second": second}
        for mated, similarity, first, second in zip(
            pairs.mated.tolist(),
            comparisons.similarity.tolist(),
            quality.values[pairs.first].tolist(),
            quality.values[pairs.second].tolist(),
            strict=True,
        )
    ]
    seconds, found = timed(fast, repeats=REPEATS)
    plain_seconds, expected = timed(lambda: plain(records, 1e-3, LIMITS), repeats=1)
    if not np.allclose(found, expected, rtol=1e-12):
        raise SystemExit(f"areas differ: {found} and {expected}")
    return {
        "work": f"EDC and three areas of {n_mated:,} mated pairs with ties",
        "seconds": round(seconds, 4),
        "plain_seconds": round(plain_seconds, 3),
        "ratio": round(plain_seconds / seconds, 1),
        "megabytes": "",
    }


def plain(records: Sequence[dict[str, Any]], fmr: float, limits: Sequence[float]) -> list[float]:
    """Threshold at the target FMR, error-versus-discard steps and their areas, one pair after the other."""
    non_mated = sorted((pair["similarity"] for pair in records if not pair["mated"]), reverse=True)
    threshold = non_mated[int(fmr * len(non_mated))]
    mated = [pair for pair in records if pair["mated"]]
    for pair in mated:
        pair["quality"] = min(pair["first"], pair["second"])
        pair["error"] = pair["similarity"] <= threshold
    mated.sort(key=lambda pair: pair["quality"])
    errors, kept, points = sum(pair["error"] for pair in mated), len(mated), []
    previous = None
    for position, pair in enumerate(mated):
        if pair["quality"] != previous:
            points.append((position / len(mated), errors / kept))
            previous = pair["quality"]
        errors -= pair["error"]
        kept -= 1
    points.append((1.0, 0.0))
    return [
        sum(
            rate * (min(following, limit) - start)
            for (start, rate), (following, _) in itertools.pairwise(points)
            if start < limit
        )
        for limit in limits
    ]


def intervals(n_pairs: int, *, n_methods: int, replicates: int) -> dict[str, Any]:
    """Subject-clustered bootstrap of one area for several methods; the threshold anew in each replicate."""
    rng = np.random.default_rng(1)
    comparisons, samples = make_comparisons(
        rng, n_samples=8_000, n_mated=n_pairs // 2, n_non_mated=n_pairs - n_pairs // 2
    )
    base = QualityScores(samples.sample_ids, rng.normal(size=len(samples)), "method")
    orders = [
        discard_order(
            comparisons,
            replace(base, values=rng.normal(size=len(samples)), method=f"method {number}"),
            fmr=0.01,
        )
        for number in range(n_methods)
    ]
    seconds, _ = timed(
        lambda: bootstrap(
            orders, samples, measures=[Measure("normalised", 0.3)], replicates=replicates, rng=rng
        ),
        repeats=1,
    )
    return {
        "work": f"{replicates} bootstrap replicates of pAUC, {n_pairs:,} pairs, {n_methods} methods",
        "seconds": round(seconds, 3),
        "plain_seconds": "",
        "ratio": "",
        "megabytes": "",
    }


def all_non_mated(n_samples: int, *, dimension: int, n_subjects: int) -> dict[str, Any]:
    """Threshold at FMR 1e-5 from every non-mated pair of a data set of the size of LFW."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(n_samples, dimension)).astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1)
    ids = np.char.add("s", np.arange(n_samples).astype(str))
    subjects = np.char.add("p", (np.arange(n_samples) % n_subjects).astype(str))
    embeddings = EmbeddingSet(ids, vectors / norms[:, None], norms, "made-up")
    before = peak_megabytes()
    seconds, found = timed(
        lambda: threshold_among_all(embeddings, SampleSet(ids, subjects), fmr=1e-5), repeats=1
    )
    return {
        "work": f"threshold at FMR 1e-5 among {found.n_non_mated:,} comparisons of {dimension} dimensions",
        "seconds": round(seconds, 3),
        "plain_seconds": "",
        "ratio": "",
        "megabytes": round(peak_megabytes() - before),
    }


def peak_megabytes() -> float:
    """Most memory the process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_comparisons(
    rng: np.random.Generator, *, n_samples: int, n_mated: int, n_non_mated: int, per_subject: int = 50
) -> tuple[ComparisonScores, SampleSet]:
    """Distinct pairs of random samples; mated ones are more alike."""
    n_subjects = n_samples // per_subject
    subjects = np.repeat(np.arange(n_subjects), per_subject)
    n_drawn = n_mated + n_mated // 2
    row = rng.integers(n_subjects, size=n_drawn) * per_subject
    first, second = row + rng.integers(per_subject, size=(2, n_drawn))
    mated = _distinct(first, second, n_samples, rng)[:, :n_mated]
    first, second = rng.integers(n_samples, size=(2, 2 * n_non_mated))
    apart = subjects[first] != subjects[second]
    non_mated = _distinct(first[apart], second[apart], n_samples, rng)[:, :n_non_mated]
    first, second = np.concatenate([mated, non_mated], axis=1)
    is_mated = np.arange(first.size) < mated.shape[1]
    ids = np.char.add("s", np.arange(n_samples).astype(str))
    similarity = np.where(is_mated, 0.5, 0.0) + rng.normal(scale=0.2, size=first.size)
    comparisons = ComparisonScores(PairSet(ids, first, second, is_mated), similarity, "made-up")
    return comparisons, SampleSet(ids, np.char.add("p", subjects.astype(str)))


def _distinct(first: np.ndarray, second: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(2, m) pairs without repeats and without a sample paired with itself, in random order."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    keys = np.unique((low * n_samples + high)[low != high])
    return np.stack(np.divmod(rng.permutation(keys), n_samples))


def timed(work: Callable[[], Any], *, repeats: int) -> tuple[float, Any]:
    """Median seconds and the last result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


if __name__ == "__main__":
    main()
