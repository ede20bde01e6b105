"""Table of the whole job in both directions, from the results that `configs/whole-job.toml` wrote.

python -m benchmarks.accuracy.whole_job STUDY
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.machine import write_results

from fiqa.io.store import read_json

REPORTS = (("cfp", "lfw", "lfw/report"), ("lfw", "cfp", "cfp/report"))
LISTS = (("cfp", "lfw pair list", "lfw/report-list"), ("lfw", "cfp-fp pair list", "cfp/report-list"))


def rows_of(train: str, test: str, results: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for bed in results["test_beds"]:
        changes = {item["method"]: item for item in bed["differences"] if "raw" in item["baseline"]}
        for one in bed["evaluations"]:
            row = {"train": train, "test": test, "recogniser": bed["recogniser"], "mated": bed["n_mated"]}
            row |= {"method": one["method"], "variant": one["variant"]}
            row["fnmr_at_zero"] = round(one["curve"]["fnmr0"], 5)
            for interval in one["intervals"]:
                name = f"{interval['kind']}_{interval['limit']}"
                row[name] = round(interval["estimate"], 5)
                row[f"{name}_low"], row[f"{name}_high"] = (
                    round(interval["low"], 5),
                    round(interval["high"], 5),
                )
            change = changes.get(f"{one['method']} · {one['variant']}")
            row["change_against_raw"] = round(change["change"]["estimate"], 5) if change else ""
            row["p_holm"] = round(change["p_holm"], 5) if change else ""
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", type=Path)
    study = parser.parse_args().study
    rows = [
        row
        for train, test, folder in (*REPORTS, *LISTS)
        for row in rows_of(train, test, read_json(study / folder / "results.json"))
    ]
    for row in rows:
        print(
            *(row[name] for name in ("test", "recogniser", "method", "variant", "normalised_0.3", "raw_0.95"))
        )
    write_results(Path(__file__).parent / "results" / "whole_job.csv", rows)


if __name__ == "__main__":
    main()
