from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from fiqa.core.calibration import Calibration, FnmrGivenScore, FnmrOfKept, GroupKept, Percentiles
from fiqa.core.errors import DataError


def calibration(**change) -> Calibration:
    """Four scores, 100 mated pairs at each, errors 40, 20, 5 and 1."""
    n, e = np.array([400, 300, 200, 100]), np.array([66, 26, 6, 1])
    values = {
        "method": "m",
        "recogniser": "r",
        "reference": "set",
        "fmr": 0.01,
        "threshold": 0.3,
        "n_non_mated": 5000,
        "n_samples": 8,
        "n_subjects": 4,
        "subjects_from": "samples file",
        "min_samples": 2,
        "confidence": 0.95,
        "replicates": 10,
        "fnmr_given_score": FnmrGivenScore(
            [1, 2, 3, 4], [0.4, 0.2, 0.05, 0.01], [0.3, 0.1, 0, 0], [0.5, 0.3, 0.1, 0.05]
        ),
        "fnmr_of_kept": FnmrOfKept(
            scores=[1, 2, 3, 4],
            samples_kept=[1, 0.75, 0.5, 0.25],
            pairs_kept=n / 400,
            n_pairs=n,
            n_errors=e,
            fnmr=e / n,
            low=e / n - 0.01,
            high=e / n + 0.02,
            relative_low=[1, 0.4, 0.1, 0],
            relative_high=[1, 0.7, 0.3, 1.2],
            subjects_lost=[0, 0, 1, 2],
            subjects_short=[0, 1, 2, 4],
        ),
        "percentiles": Percentiles([1, 2, 3, 4], [12.5, 37.5, 62.5, 87.5]),
        "groups": {"x": GroupKept([1, 2, 3, 4], [1, 1, 0.5, 0], [9, 9, 4, 0], [3, 3, 1, 0])},
        "warnings": ("take care",),
    }
    return Calibration(**{**values, **change})


def test_between_and_beyond_the_scores() -> None:
    known = calibration()
    np.testing.assert_allclose(known.expected_fnmr([0, 1, 1.5, 4, 9]), [0.4, 0.4, 0.3, 0.01, 0.01])
    np.testing.assert_allclose(known.percentile([0, 1, 1.5, 4, 9]), [0, 12.5, 25, 87.5, 100])
    with pytest.raises(DataError, match="scores must be finite: NaN or infinite at 1"):
        known.expected_fnmr([0, np.nan])


def test_json_and_back() -> None:
    first = calibration().to_dict()
    again = Calibration.from_dict({**json.loads(json.dumps(first)), "provenance": {}})
    assert again.to_dict() == first
    assert first["groups"]["x"]["n_pairs"] == [9, 9, 4, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"percentiles": {"scores": [1, 1], "percent": [0, 100]}}, "must rise, got 1.0, 1.0"),
        ({"percentiles": {"scores": [], "percent": []}}, "must rise, got none"),
        ({"percentiles": {"scores": [1, 2], "percent": [0]}}, "one length, got scores 2, percent 1"),
        ({"percentiles": {"scores": [1, 2]}}, "a table of the calibration is malformed: .*percent"),
        ({"groups": [1]}, "malformed"),
    ],
)
def test_malformed_tables(change, message) -> None:
    with pytest.raises(DataError, match=message):
        Calibration.from_dict({**calibration().to_dict(), **change})


def test_another_file() -> None:
    with pytest.raises(DataError, match="this is no calibration, it lacks method, recogniser, reference and"):
        Calibration.from_dict({"rows": []})


def test_numpy_is_enough_to_apply_and_to_advise() -> None:
    heavy = "{'scipy', 'sklearn', 'pyarrow', 'torch'}"
    code = (
        "import sys, fiqa.core.calibration, fiqa.evaluate.advise, fiqa.io.store, fiqa.pipeline.advise;"
        f"found = {heavy} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
