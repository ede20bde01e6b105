"""The recipe that ships on people whom it has never seen: it learnt from the other half of both data sets.

python -m benchmarks.accuracy.unseen_people HALF TEST SCORES --data DATA

HALF is the folder half of the output of configs/release.toml: a student of half of the people in LFW and CFP,
and its scores. TEST, SCORES and DATA are those of `benchmarks.accuracy.shipped_model`. Tested are the mated
pairs of the other half; thresholds are those of all non-mated pairs. `across` is the student of the other
data set alone, on the same pairs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.accuracy.shipped_model import STUDENT, Bed, beds, table
from benchmarks.machine import write_results
from numpy.typing import NDArray

from fiqa.io.store import read_samples, read_scores

SHIPPED = ("shipped", "shipped_int8")
"""Have seen these people."""


def of_people(bed: Bed, people: NDArray[np.str_]) -> Bed:
    """The bed with no mated pairs but those of these people."""
    listed = bed.comparisons.pairs
    theirs = np.isin(listed.sample_ids, bed.samples.sample_ids[np.isin(bed.samples.subject_ids, people)])
    return replace(bed, comparisons=bed.comparisons.rows(~listed.mated | theirs[listed.first]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("half", "test", "scores"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--replicates", type=int, default=1000)
    given = parser.parse_args()
    people = np.unique(read_samples(given.half / "student" / "held_out.csv").subject_ids)
    rows = []
    for bed in beds(given.test, given.scores, data=given.data):
        half = replace(read_scores(given.half / "scores" / f"{bed.benchmark}.parquet"), method=STUDENT)
        others = [
            replace(one, method="across") if one.method == STUDENT else one
            for one in bed.scored
            if one.method not in SHIPPED
        ]
        rows += of_people(bed, people).rows([half, *others], replicates=given.replicates)
    print(table(rows))
    write_results(Path(__file__).parent / "results" / "unseen_people.csv", rows)


if __name__ == "__main__":
    main()
