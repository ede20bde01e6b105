"""Pages that a script writes are as it writes them now, and all of them make a site without a warning."""

from __future__ import annotations

import logging
import re

import pytest
from benchmarks.methods_table import PAGE, render
from typer.testing import CliRunner

from conftest import REPOSITORY
from fiqa.cli import app

DOCS = REPOSITORY / "docs"


def test_the_table_of_methods_is_that_of_the_registry() -> None:
    message = "write it anew: python -m benchmarks.methods_table"
    assert PAGE.read_text(encoding="utf-8") == render(), message


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path, caplog) -> None:
    commands = pytest.importorskip("mkdocs.commands.build", reason="the site needs the docs extra")
    from mkdocs.config import load_config

    config = load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)
    with caplog.at_level(logging.WARNING, logger="mkdocs"):
        commands.build(config)
    assert not caplog.records
    assert (tmp_path / "site" / "curate" / "index.html").is_file()
    assert (tmp_path / "site" / "examples" / "plugin" / "fiqa_contrast.py").is_file()
    assert (tmp_path / "site" / "benchmarks" / "accuracy" / "results" / "iwbf2023.png").is_file()
    assert not list((tmp_path / "site").glob("outside*"))


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_commands_on_the_pages_are_there(page) -> None:
    """Every `fiqa COMMAND --option` in a block of code is one that exists."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = re.sub(r"\\\n", " ", "\n".join(blocks)).splitlines()
    for line in lines:
        found = re.match(r"\s*fiqa ([a-z]+)(.*)", line.partition("#")[0])
        if not found:
            continue
        shown = CliRunner().invoke(app, [found[1], "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
        assert shown.exit_code == 0, line
        known = set(re.findall(r"--[a-z0-9-]+", shown.output))
        assert set(re.findall(r"(?<!\S)--[a-z0-9-]+", found[2])) <= known, line
