from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError
from fiqa.evaluate.edc import edc
from fiqa.evaluate.pauc import areas
from fiqa.evaluate.streamed import StreamedEdc
from synthetic import make_comparisons, make_quality, make_samples


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_give_the_curve_of_the_whole(block, seed) -> None:
    rng = np.random.default_rng(seed)
    samples = make_samples(10, 5)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=200, digits=2)
    quality = make_quality(samples, np.round(usefulness + rng.normal(size=50), 1))
    whole = edc(comparisons, quality, fmr=0.05)
    stream = StreamedEdc(quality, threshold=whole.threshold, recogniser="made-up")
    pairs, similarity = comparisons.pairs.rows(comparisons.pairs.mated), comparisons.mated
    for start in range(0, len(pairs), block):
        part = slice(start, start + block)
        stream.add(pairs.first[part], pairs.second[part], similarity[part])
    curve = stream.curve()
    for name in ("discard_fraction", "n_errors", "n_kept", "error_rate", "thresholds"):
        assert np.array_equal(getattr(curve, name), getattr(whole, name)), name
    assert areas(curve) == areas(whole)


def test_refusals() -> None:
    samples = make_samples(2, 2)
    with pytest.raises(DataError, match="all quality scores of made-up are equal"):
        StreamedEdc(make_quality(samples, np.ones(4)), threshold=0.5, recogniser="r")
    stream = StreamedEdc(make_quality(samples, np.arange(4.0)), threshold=0.5, recogniser="r")
    with pytest.raises(DataError, match="no mated comparison"):
        stream.curve()
    with pytest.raises(DataError, match="similarity must be finite: NaN or infinite at 1"):
        stream.add(np.array([0, 2]), np.array([1, 3]), [0.1, np.inf])
