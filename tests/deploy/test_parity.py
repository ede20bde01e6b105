from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fiqa.core.arrays import rank_correlation
from fiqa.core.errors import DataError, ExportError
from fiqa.deploy.parity import Parity


def test_worked_by_hand():
    parity = Parity.of(np.array([0.0, 1.0, 2.5, 4.0]), reference=np.array([0.0, 1.0, 2.0, 4.0]))
    assert parity == Parity(4, 4.0, 0.125, 1.0)
    parity.check(max_difference=0.125, min_spearman=1.0)
    parity.check(max_difference=None, min_spearman=0.99)
    with pytest.raises(
        ExportError, match=r"on 4 crops: largest difference 0\.12 of the .*allowed 0\.1\).*nothing was"
    ):
        parity.check(max_difference=0.1, min_spearman=0.99)


def test_an_order_that_changed_is_refused():
    parity = Parity.of(np.array([1.0, 0.0, 2.0]), reference=np.array([0.0, 1.0, 2.0]))
    assert parity.spearman == pytest.approx(0.5)
    with pytest.raises(ExportError, match=r"allowed any\), rank correlation 0\.5000 \(needed 0\.99\)"):
        parity.check(max_difference=None, min_spearman=0.99)


def test_rank_correlation_with_ties(rng):
    one, other = rng.integers(0, 5, 60).astype(float), rng.integers(0, 5, 60).astype(float)
    assert rank_correlation(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)


@pytest.mark.parametrize(
    ("scores", "reference", "error", "message"),
    [
        ([1.0], [1.0], ExportError, "two crops or more"),
        ([1.0, np.nan], [1.0, 2.0], ExportError, "finite scores"),
        ([1.0, 2.0], [1.0, 1.0], ExportError, "all 2 crops get one score"),
        ([1.0, 1.0], [1.0, 2.0], ExportError, "all 2 crops get one score"),
        ([1.0, 2.0], [1.0], DataError, "columns must have one length"),
    ],
)
def test_what_cannot_be_compared_is_refused(scores, reference, error, message):
    with pytest.raises(error, match=message):
        Parity.of(np.array(scores), reference=np.array(reference))
