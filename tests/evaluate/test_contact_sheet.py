from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.evaluate.contact_sheet import ContactSheet, spread

IMAGES = np.zeros((2, 4, 4, 3), dtype=np.uint8)


def test_spread_runs_from_worst_to_best() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert spread(values, 3).tolist() == [1, 4, 0]
    assert spread(values, 99).tolist() == [1, 3, 4, 2, 0]
    assert spread([7.0], 3).tolist() == [0]


def test_columns_are_checked() -> None:
    with pytest.raises(DataError, match=r"thumbnails must be uint8 \(n, h, w, 3\), got float64"):
        ContactSheet("", IMAGES / 2, np.zeros(2), np.array(["a", "b"]))
    with pytest.raises(DataError, match="one length"):
        ContactSheet("", IMAGES, np.zeros(3), np.array(["a", "b"]))
