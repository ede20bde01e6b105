"""Pages that a script writes are as it writes them now."""

from __future__ import annotations

from benchmarks.methods_table import PAGE, render


def test_the_table_of_methods_is_that_of_the_registry() -> None:
    message = "write it anew: python -m benchmarks.methods_table"
    assert PAGE.read_text(encoding="utf-8") == render(), message
