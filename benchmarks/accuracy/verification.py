"""Ten-fold verification accuracy of a recogniser with our crops, on the 6,000 pairs of LFW.

    python -m benchmarks.accuracy.verification DATA WORK [--recogniser sface]

DATA holds lfw/images and lfw/protocol/pairs.txt; WORK keeps embeddings, so that a killed run goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.machine import write_results

from fiqa.comparisons.compare import compare
from fiqa.core.types import SampleSet
from fiqa.evaluate.error_rates import fnmr_at, threshold_at_fmr, verification_accuracy
from fiqa.io.pairlists import read_pairlist
from fiqa.io.store import FAILURES, SAMPLES, read_embeddings, read_failures, read_samples, write_samples
from fiqa.pipeline.benchmarks import open_benchmark
from fiqa.pipeline.embed import Embed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--recogniser", default="sface")
    arguments = parser.parse_args()
    spec = f"lfw:{arguments.data / 'lfw' / 'protocol' / 'pairs.txt'}"
    sample_ids = read_pairlist(spec).sample_ids
    photos = arguments.work / "lfw-pairs.csv"
    write_samples(
        photos,
        SampleSet(
            sample_ids,
            [name.partition("/")[0] for name in sample_ids],
            [str(arguments.data / "lfw" / "images" / name) for name in sample_ids],
        ),
    )
    folder = arguments.work / f"lfw-{arguments.recogniser}"
    if not folder.exists():
        stage = Embed(photos=photos, recogniser=arguments.recogniser, face="central", output=folder)
        stage.execute(lambda done, total: print(f"{done}/{total}", end="\r"))
    failed = read_failures(folder / FAILURES)
    benchmark = open_benchmark(spec, read_samples(folder / SAMPLES), non_mated=0, seed=0, failed=failed)
    comparisons = compare(read_embeddings(folder), benchmark.pairs)
    accuracy = verification_accuracy(comparisons)
    row = {"recogniser": arguments.recogniser, "images": len(sample_ids), "pairs": len(comparisons)}
    row |= {"accuracy": round(accuracy.mean, 5), "standard_error": round(accuracy.standard_error, 5)}
    for fmr in (1e-2, 1e-3):
        threshold = threshold_at_fmr(comparisons.non_mated, fmr)
        row[f"fnmr_at_fmr_{fmr:g}"] = round(fnmr_at(comparisons.mated, threshold), 5)
    row |= {
        "pairs_left_out": benchmark.n_dropped,
        "faces_not_found": " ".join(failure.sample_id for failure in failed),
    }
    print(row)
    write_results(Path(__file__).parent / "results" / f"verification_{arguments.recogniser}.csv", [row])


if __name__ == "__main__":
    main()
