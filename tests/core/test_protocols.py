"""How networks want their input."""

from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import InputSpec

IMAGE = np.full((1, 2, 2, 3), (10, 20, 30), np.uint8)


@pytest.mark.parametrize(
    ("settings", "planes"),
    [
        ({}, [10, 20, 30]),
        ({"colour": "bgr"}, [30, 20, 10]),
        ({"mean": 10, "std": 4}, [0, 2.5, 5]),
        ({"mean": (1, 2, 3), "std": [1, 2, 3]}, [9, 9, 9]),
        ({"mean": (1, 2, 3), "colour": "bgr"}, [29, 18, 7]),  # in the order of the network's channels
        ({"std": (1, 2, 3)}, [10, 10, 10]),
    ],
)
def test_values_are_prepared(settings, planes) -> None:
    found = InputSpec(size=2, **settings).prepare(IMAGE)
    assert found.dtype == np.float32
    assert found.shape == (1, 3, 2, 2)
    np.testing.assert_allclose(found[0, :, 1, 0], planes, rtol=1e-6)
    assert (IMAGE[0, 0, 0] == (10, 20, 30)).all()


def test_three_equal_numbers_are_one_and_a_contract_is_a_key() -> None:
    assert InputSpec(mean=[5, 5, 5]) == InputSpec(mean=5.0)
    specs = {InputSpec(mean=(1, 2, 3)), InputSpec(mean=[1.0, 2.0, 3.0]), InputSpec()}
    assert len(specs) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size >= 1 and std > 0, got size 0"),
        ({"std": 0}, "std > 0, got size 112, std 0"),
        ({"std": (1, -1, 1)}, "std > 0"),
        ({"mean": (1, 2)}, r"mean of an input is a number or three, one a channel, got \(1, 2\)"),
        ({"mean": "127.5"}, "mean of an input is a number or three, one a channel, got '127.5'"),
        ({"std": [1, 2, float("nan")]}, "std of an input is a number or three"),
        ({"crop": "tight"}, "unknown crop 'tight' or colour order 'rgb'"),
        ({"colour": "grey"}, "unknown crop 'arcface' or colour order 'grey'"),
    ],
)
def test_a_contract_out_of_range_is_refused(settings, message) -> None:
    with pytest.raises(SettingsError, match=message):
        InputSpec(**settings)


def test_crops_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"crops must be \(n, 3, 3, 3\), got \(1, 2, 2, 3\); crop the photos"):
        InputSpec(size=3).prepare(IMAGE)
