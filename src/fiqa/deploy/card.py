"""The card of a deployed model: all that its users have to know, and what its loader checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import first_few
from ..core.calibration import Calibration, FnmrGivenScore
from ..core.errors import DataError
from ..core.protocols import InputSpec
from .scale import Scale

FORMAT = "fiqa-model-card"
VERSION = 1
INPUT, OUTPUT = "image", "quality"
"""Names of the only input and output of an exported graph."""
Precision = Literal["float32", "float16", "int8"]
_KEYS = {"spec": "input"}


@dataclass(frozen=True, eq=False)
class ExpectedFnmr:
    """Which false non-match rate a score foretells: what scoring needs of a calibration.

    Attributes:
        recogniser: Recogniser that made the comparisons.
        reference: Name of the set that was compared.
        fmr: Target FMR of the similarity threshold, or None where the threshold was given.
        threshold: Similarity at and above which a comparison is accepted.
        n_subjects: Subjects compared.
        confidence: Nominal coverage of the band.
        table: Expected FNMR of a mated pair whose worse image has a given native score.
    """

    recogniser: str
    reference: str
    fmr: float | None
    threshold: float
    n_subjects: int
    confidence: float
    table: FnmrGivenScore

    @classmethod
    def of(cls, calibration: Calibration) -> Self:
        """What a card keeps of a calibration."""
        names = (item.name for item in fields(cls) if item.name != "table")
        return cls(**{name: getattr(calibration, name) for name in names}, table=calibration.fnmr_given_score)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**vars(self), "table": self.table.to_dict()}


@dataclass(frozen=True, eq=False)
class Card:
    """What a deployed model is.

    Attributes:
        name: Of the model, as scores name their method.
        sha256: Digest of the ONNX file that the card speaks of.
        n_bytes: Its size.
        precision: Of the stored weights; ``"int8"`` computes in 8 bits too, the others in float32.
        mirror: Whether the score is the mean over a crop and its mirror image.
        spec: Crops that it takes, as raw RGB values from 0 to 255: normalisation is part of the graph.
        template: Landmarks (right eye, left eye, nose, right and left mouth corner) in the crop, x and y.
        scale: 0 to 100 points, and percentiles.
        licence: Of the model.
        terms: Of the data and weights that it learnt from.
        training: Recogniser, teacher, settings, digests of what it was trained on.
        parity: How far the file agrees with the regressor that it came from.
        calibration: Expected FNMR, where the model was calibrated.
        metrics: Areas of error versus discard with intervals, one row a test bed and area.
        robustness: How far the score moves under changes that should not move it.
        limits: What the model is known not to do.
    """

    name: str
    sha256: str
    n_bytes: int
    precision: Precision
    mirror: bool
    spec: InputSpec
    template: tuple[tuple[float, float], ...]
    scale: Scale
    licence: str
    terms: str
    training: Mapping[str, Any]
    parity: Mapping[str, Any]
    calibration: ExpectedFnmr | None = None
    metrics: tuple[Mapping[str, Any], ...] = ()
    robustness: Mapping[str, Any] | None = None
    limits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.spec.colour, self.spec.mean, self.spec.std) != ("rgb", 0.0, 1.0):
            raise DataError(
                f"a deployed model takes RGB values from 0 to 255, got {self.spec}; export it anew"
            )
        if self.precision not in get_args(Precision) or not self.name:
            raise DataError(
                f"a card needs a name and precision {', '.join(get_args(Precision))}, got {self.precision!r}"
            )

    def columns(self, scores: ArrayLike) -> dict[str, NDArray[Any]]:
        """What scores (n,) mean: ``score100``, ``percentile`` and, if calibrated, ``expected_fnmr``."""
        known = {
            "score100": self.scale.score100(scores),
            "percentile": self.scale.percentiles.percentile(scores),
        }
        if self.calibration is None:
            return known
        return {**known, "expected_fnmr": self.calibration.table.expected(scores)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        size = self.spec.size
        facts = {name: value for name, value in vars(self).items() if name != "spec"}
        return {
            "format": FORMAT,
            "version": VERSION,
            **facts,
            "input": {
                "name": INPUT,
                "shape": ["n", 3, size, size],
                "type": "float32",
                "range": [0, 255],
                "colour": "rgb",
                "crop": self.spec.crop,
                "size": size,
            },
            "output": {
                "name": OUTPUT,
                "shape": ["n"],
                "type": "float32",
                "direction": "higher = more useful",
            },
            "scale": self.scale.to_dict(),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            DataError: If this is no card, one of a later version, or something in it is missing or malformed.
        """
        if values.get("format") != FORMAT:
            raise DataError(f"this is no card of a model: format {FORMAT} expected; run `fiqa export`")
        if not isinstance(values.get("version"), int) or values["version"] > VERSION:
            raise DataError(
                f"the card has version {values.get('version')}, this package reads up to {VERSION}: upgrade"
            )
        names = [_KEYS.get(item.name, item.name) for item in fields(cls)]
        if missing := [name for name in names if name not in values]:
            raise DataError(f"the card lacks {first_few(missing)}; run `fiqa export` again")
        plain = {name: values[name] for name in names}
        try:
            given = plain.pop("input")
            spec = InputSpec(size=given["size"], crop=given["crop"])
            template = tuple((float(x), float(y)) for x, y in plain["template"])
            return cls(
                **{
                    **plain,
                    "spec": spec,
                    "template": template,
                    "scale": Scale.from_dict(plain["scale"]),
                    "calibration": plain["calibration"] and _expected(plain["calibration"]),
                    "metrics": tuple(plain["metrics"]),
                    "limits": tuple(plain["limits"]),
                }
            )
        except DataError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"the card is malformed: {error!r}; run `fiqa export` again") from error


def _expected(values: Mapping[str, Any]) -> ExpectedFnmr:
    columns = {name: np.array(column) for name, column in values["table"].items()}
    return ExpectedFnmr(**{**values, "table": FnmrGivenScore(**columns)})
