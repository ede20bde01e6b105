"""What every result says of where it comes from: machine, date and commit."""

from __future__ import annotations

import csv
import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def stamp() -> dict[str, str]:
    """Columns that follow the numbers; a commit ends in ``+`` where the tree differs from it."""
    return {
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "date": datetime.date.today().isoformat(),
        "commit": _git("rev-parse", "--short=10", "HEAD") + ("+" if _git("status", "--porcelain") else ""),
    }


def write_results(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of one form as CSV, each with its stamp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    marked = [{**row, **stamp()} for row in rows]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, marked[0])
        writer.writeheader()
        writer.writerows(marked)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
