"""Commands as users type them."""

from __future__ import annotations

import csv
from pathlib import Path

from typer.testing import CliRunner

from fiqa.cli import app


def fiqa(*words: object) -> str:
    """Run a command in this process and give what it prints; errors come as they are."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(path.read_text().splitlines()))
