"""The recipe that ships on people whom it has never seen: it learnt from the other half of both data sets.

python -m benchmarks.accuracy.unseen_people HALF TEST SCORES --data DATA

HALF is the folder half of the output of configs/release.toml: a student of half of the people in LFW and CFP,
and its scores. TEST, SCORES and DATA are those of `benchmarks.accuracy.shipped_model`. Tested are the mated
pairs of the other half; thresholds are those of all non-mated pairs. `across` is the student of the other
data set alone, on the same pairs.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.accuracy.shipped_model import STUDENT, beds, rows_of, table
from benchmarks.machine import write_results
from numpy.typing import NDArray

from fiqa.core.types import PairSet
from fiqa.io.store import FAILURES, SAMPLES, read_failures, read_samples, read_scores, write_pairs
from fiqa.pipeline.benchmarks import open_benchmark

LEFT_OUT = ("shipped", "shipped_int8", "faceqan", "grafiqs")


def of_people(spec: str, folder: Path, people: NDArray[np.str_]) -> PairSet:
    """The mated pairs of these people and all non-mated pairs."""
    samples = read_samples(folder / SAMPLES)
    failed = read_failures(folder / FAILURES)
    pairs = open_benchmark(spec, samples, non_mated=1_000_000, seed=0, failed=failed).pairs
    theirs = np.isin(pairs.sample_ids, samples.sample_ids[np.isin(samples.subject_ids, people)])
    kept = ~pairs.mated | theirs[pairs.first]
    return PairSet(pairs.sample_ids, pairs.first[kept], pairs.second[kept], pairs.mated[kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("half", "test", "scores"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    people = np.unique(read_samples(given.half / "student" / "held_out.csv").subject_ids)
    rows = []
    for benchmark, pairs, spec, folder, scored in beds(given.test, given.scores, data=given.data):
        if pairs == "first fold":
            continue
        half = replace(read_scores(given.half / "scores" / f"{benchmark}.parquet"), method=STUDENT)
        others = [replace(one, method="across") if one.method == STUDENT else one for one in scored]
        compared = [half, *(one for one in others if one.method not in LEFT_OUT)]
        with tempfile.TemporaryDirectory() as temporary:
            listed = Path(temporary) / "pairs.csv"
            write_pairs(listed, of_people(spec, folder, people))
            found = rows_of(f"csv:{listed}", folder, compared, replicates=given.replicates)
        rows += [{"benchmark": benchmark, "pairs": pairs, "recogniser": folder.name, **row} for row in found]
    print(table(rows))
    write_results(Path(__file__).parent / "results" / "unseen_people.csv", rows)


if __name__ == "__main__":
    main()
