"""What the base install weighs: packages, megabytes, and what must not be among them.

python -m benchmarks.speed.install

The working tree goes into an empty virtual environment without extras. Packages and megabytes are those of
site-packages without pip.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import venv
from pathlib import Path

from benchmarks.machine import ROOT, write_results

UNWANTED = {"torch", "pyarrow", "onnx", "scipy", "pandas", "scikit-learn", "matplotlib"}
TOOLS = {"pip", "setuptools"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", ROOT], check=True)
        listed = subprocess.run(
            [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
        )
        packages = {row["name"].lower() for row in json.loads(listed.stdout)} - TOOLS
        (site,) = Path(folder, "lib").glob("python*/site-packages")
        size = sum(
            path.stat().st_size
            for path in site.rglob("*")
            if path.is_file() and not TOOLS & {path.relative_to(site).parts[0].split("-")[0]}
        )
    rows = [
        {"what": "packages, fiqa included", "value": len(packages)},
        {"what": "megabytes on disk", "value": round(size / 1e6)},
        {"what": "unwanted packages", "value": " ".join(sorted(UNWANTED & packages)) or "none"},
    ]
    for row in rows:
        print(f"{row['what']:26} {row['value']}")
    write_results(Path(__file__).parent / "results" / "install.csv", rows)


if __name__ == "__main__":
    main()
