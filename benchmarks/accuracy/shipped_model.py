"""How the shipped recipe compares: error-versus-discard areas of the student, its teacher and all others.

python -m benchmarks.accuracy.shipped_model TEST SCORES --data DATA

TEST holds lfw/, degraded-lfw/ and cfp-fp/ with a folder of embeddings for each test recogniser, as `fiqa
reproduce` leaves them, and degraded-cfp/ as configs/degraded-lfw.toml says; DATA the protocols of LFW and
CFP. SCORES holds one scores file for each row of the table, <benchmark>/<method>.csv or .parquet;
`student` is the student trained on the other data set, `shipped` the one trained on both, `teacher` what
taught them. All other names are free: norm_sface, classical, ser_fiq, grafiqs ... by `fiqa score`,
qualityface and insightface by `python -m benchmarks.peers`. Scores that do not cover the pairs of a test
bed are left out there: `part` is the first folds of a protocol, for slow methods on crops that `fiqa part`
lists.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import write_results

from fiqa.comparisons.compare import compare
from fiqa.core.types import ComparisonScores, QualityScores, SampleSet
from fiqa.evaluate.conventions import ISO
from fiqa.evaluate.edc import discard_order
from fiqa.evaluate.evaluation import hold_threshold
from fiqa.evaluate.pauc import Measure
from fiqa.evaluate.resample import bootstrap
from fiqa.io.store import FAILURES, SAMPLES, read_embeddings, read_failures, read_samples, read_scores
from fiqa.pipeline.benchmarks import open_benchmark

PROTOCOL = "protocol"
BENCHMARKS = {
    "lfw": {PROTOCOL: "lfw:{data}/lfw/protocol/pairs.txt"},
    "degraded-lfw": {PROTOCOL: "degraded-lfw:{data}/lfw/protocol/pairs.txt", "all:10": "all:10"},
    "cfp-fp": {PROTOCOL: "cfp-fp:{data}/cfp"},
    "degraded-cfp": {"frontal": "cfp-ff:{data}/cfp", "profile": "cfp-fp:{data}/cfp"},
}
PARTS = {"lfw": 1, "degraded-lfw": 1, "cfp-fp": 3}
"""How many first folds of a protocol are a test bed of their own, for slow methods."""
RECOGNISERS = ("arcface_mbf", "dlib_resnet")
MEASURE = Measure("normalised", 0.3)
FMR = 1e-3
STUDENT = "student"


@dataclass(frozen=True, eq=False)
class Bed:
    """A list of pairs of a benchmark, compared by one recogniser.

    Attributes:
        benchmark: Its name.
        pairs: Name of the list of pairs.
        comparisons: What the recogniser found.
        samples: Subjects of the images.
        scored: The scores at hand.
    """

    benchmark: str
    pairs: str
    comparisons: ComparisonScores
    samples: SampleSet
    scored: list[QualityScores]

    def rows(self, scored: list[QualityScores], *, replicates: int) -> list[dict[str, Any]]:
        """One row for each of these scores that covers the pairs."""
        listed = self.comparisons.pairs
        used = listed.sample_ids[np.union1d(listed.first, listed.second)]
        scored = [one for one in scored if np.isin(used, one.sample_ids).all()]
        threshold, counted = hold_threshold(self.comparisons, ISO, fmr=FMR)
        orders = [discard_order(counted, one, fmr=FMR, threshold=threshold) for one in scored]
        rng = np.random.default_rng(0)
        drawn = bootstrap(orders, self.samples, measures=(MEASURE,), replicates=replicates, rng=rng)
        names = [one.method for one in scored]
        contrasts = [(STUDENT, name) for name in names if STUDENT in names and name != STUDENT]
        changes = {item.baseline: item for item in drawn.differences(MEASURE, contrasts)} if contrasts else {}
        rows = []
        for name in names:
            area, change = drawn.interval(name, MEASURE), changes.get(name)
            row = {"benchmark": self.benchmark, "pairs": self.pairs}
            row |= {"recogniser": self.comparisons.recogniser, "method": name}
            row |= {"pauc": area.estimate, "low": area.low, "high": area.high}
            gap = change.change if change else None
            row["student_minus"] = gap.estimate if gap else ""
            row["minus_low"], row["minus_high"] = (gap.low, gap.high) if gap else ("", "")
            row["p_holm"] = change.p_holm if change else ""
            rows.append(
                {key: round(value, 5) if isinstance(value, float) else value for key, value in row.items()}
            )
        return rows


def beds(test: Path, scores: Path, *, data: Path) -> Iterator[Bed]:
    """The test beds of which embeddings and scores are at hand."""
    for benchmark, lists in BENCHMARKS.items():
        files = sorted(path for path in (scores / benchmark).glob("*") if path.suffix in (".csv", ".parquet"))
        scored = [replace(read_scores(path), method=path.stem) for path in files if path.is_file()]
        for recogniser in RECOGNISERS:
            folder = test / benchmark / recogniser
            if not scored or not folder.exists():
                print(f"left out, no {'embeddings' if scored else 'scores'}: {benchmark} by {recogniser}")
                continue
            embeddings, samples = read_embeddings(folder), read_samples(folder / SAMPLES)
            failed = read_failures(folder / FAILURES)
            for name, spec in lists.items():
                listed = open_benchmark(
                    spec.format(data=data), samples, non_mated=1_000_000, seed=0, failed=failed
                ).pairs
                yield Bed(benchmark, name, compare(embeddings, listed), samples, scored)


def with_part(bed: Bed) -> Iterator[Bed]:
    """A bed and, of a protocol, its first folds as a bed of their own."""
    yield bed
    folds = bed.comparisons.pairs.folds
    if bed.pairs == PROTOCOL and folds is not None:
        yield replace(bed, pairs="part", comparisons=bed.comparisons.rows(folds < PARTS[bed.benchmark]))


def table(rows: list[dict[str, Any]]) -> str:
    """Methods by test bed, as Markdown."""
    columns = list(dict.fromkeys((row["benchmark"], row["pairs"], row["recogniser"]) for row in rows))
    heads = [f"{name}, {pairs} / {by}" for name, pairs, by in columns]
    lines = [f"| method | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    area = {(row["benchmark"], row["pairs"], row["recogniser"], row["method"]): row["pauc"] for row in rows}
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = [area.get((*bed, method)) for bed in columns]
        lines.append(f"| {method} | {' | '.join('–' if cell is None else f'{cell:.3f}' for cell in cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("test", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    rows = []
    for whole in beds(given.test, given.scores, data=given.data):
        for bed in with_part(whole):
            rows += bed.rows(bed.scored, replicates=given.replicates)
    print(table(rows))
    write_results(Path(__file__).parent / "results" / "shipped_model.csv", rows)


if __name__ == "__main__":
    main()
