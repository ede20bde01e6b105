"""Ten-fold verification accuracy of the recognisers with our crops, on the 6,000 pairs of LFW.

    FIQA_MODELS=MODELS python -m benchmarks.accuracy.verification DATA WORK [--recognisers sface ...]

DATA holds lfw/images and lfw/protocol/pairs.txt; WORK keeps what is done, so that a killed run goes on.
`expected` is the figure that the weights came with; ours should lie within 0.15 points of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.machine import write_results

from fiqa.io.store import read_json
from fiqa.pipeline.verify import Verify

EXPECTED = {"sface": 0.9937, "arcface_mbf": 0.9958, "dlib_resnet": 0.9892}


def row(recogniser: str, data: Path, work: Path) -> dict[str, object]:
    """Rates of one recogniser, as given and with red and blue exchanged."""
    output = work / f"verification-{recogniser}.json"
    stage = Verify(
        photos=data / "lfw" / "images",
        pairs=f"lfw:{data / 'lfw' / 'protocol' / 'pairs.txt'}",
        recogniser=recogniser,
        face="central",
        output=output,
    )
    if not output.exists():
        stage.execute(lambda done, total: print(f"{recogniser} {done}/{total}", flush=True))
    found = read_json(output)
    given, swapped = found["as_given"], found["swapped"]
    return {
        "recogniser": recogniser,
        "images": found["n_images"],
        "pairs": found["n_mated"] + found["n_non_mated"],
        "pairs_left_out": found["n_dropped"],
        "expected": EXPECTED[recogniser],
        "accuracy": round(given["accuracy"], 5),
        "accuracy_std": round(given["accuracy_std"], 5),
        "equal_error_rate": round(given["equal_error_rate"], 5),
        f"fnmr_at_fmr_{found['fmr']:g}": round(given["fnmr"], 5),
        "accuracy_swapped": round(swapped["accuracy"], 5),
        "right_only_as_given": found["only_as_given"],
        "right_only_swapped": found["only_swapped"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--recognisers", nargs="+", default=list(EXPECTED), choices=list(EXPECTED))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows = [row(name, arguments.data, arguments.work) for name in arguments.recognisers]
    for one in rows:
        print(one)
    write_results(Path(__file__).parent / "results" / "verification.csv", rows)


if __name__ == "__main__":
    main()
