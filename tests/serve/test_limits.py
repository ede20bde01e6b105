from __future__ import annotations

import pytest

from fiqa.core.errors import SettingsError
from fiqa.serve.limits import Limits


@pytest.mark.parametrize("wrong", [{"images": 0}, {"pixels": -1}, {"seconds": 0}, {"token": ""}])
def test_limits_are_above_0(wrong):
    with pytest.raises(SettingsError, match=r"must be above 0 and its token not empty, got Limits\("):
        Limits(**wrong)


@pytest.mark.parametrize("wrong", [{"images": 65}, {"request_bytes": 2**28 + 1}])
def test_a_whole_request_fits_into_the_queue(wrong):
    with pytest.raises(SettingsError, match="one whole request must fit into the queue"):
        Limits(**wrong)


def test_a_token_is_not_printed():
    assert "secret" not in repr(Limits(token="secret"))
