from __future__ import annotations

from dataclasses import replace

import pytest

from fiqa.core.errors import SettingsError
from fiqa.evaluate import CONVENTIONS
from fiqa.evaluate.conventions import ISO


def test_names_lead_to_conventions_of_that_name() -> None:
    assert [CONVENTIONS.load(name).name for name in CONVENTIONS.names] == list(CONVENTIONS.names)
    with pytest.raises(SettingsError, match="did you mean cr-fiqa"):
        CONVENTIONS.load("crfiqa")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ties": "split"}, "ties must be one of together, in_order, got 'split'"),
        ({"limit": 0.0}, r"limit must lie in \(0, 1\], got 0"),
        ({"grid": 0.5}, r"grid must lie in \(0, limit\], got 0.5"),
        ({"discard": "images", "pair_quality": "mean"}, "needs pair_quality 'min', got 'mean'"),
    ],
)
def test_what_cannot_be_is_refused(change, message) -> None:
    with pytest.raises(SettingsError, match=f"convention iso: .*{message}"):
        replace(ISO, **change)
