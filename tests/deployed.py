"""A deployed model and a detector made by the tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from fiqa.core.calibration import FnmrGivenScore
from fiqa.core.protocols import InputSpec
from fiqa.deploy.card import Card, ExpectedFnmr
from fiqa.deploy.scale import Scale
from fiqa.faces.detect import Face

INSIDE = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
"""Landmarks of a frontal face as shares of its box."""


def card_of(model: bytes, *, size: int, reference: np.ndarray | None = None) -> Card:
    """A calibrated card whose reference scores are, unless given, the whole numbers up to 100."""
    scores = np.arange(101.0) if reference is None else reference
    table = FnmrGivenScore([0.0, 10.0], [0.4, 0.2], [0.3, 0.1], [0.5, 0.3])
    return Card(
        name="tiny",
        sha256=hashlib.sha256(model).hexdigest(),
        n_bytes=len(model),
        precision="float32",
        mirror=False,
        spec=InputSpec(size=size),
        template=((1.0, 2.0),) * 5,
        scale=Scale.of(scores, reference="whole numbers"),
        licence="none",
        terms="none",
        training={"teacher": "made-up"},
        parity={"spearman": 1.0},
        calibration=ExpectedFnmr("tiny", "set", None, 0.5, 3, 0.95, table),
        limits=("many",),
    )


def write_model(folder: Path, model: bytes, card: Card) -> Path:
    """The file of a model that has its card beside it."""
    path = folder / "tiny.onnx"
    path.write_bytes(model)
    path.with_suffix(".card.json").write_text(json.dumps(card.to_dict()))
    return path


class Bright:
    """Stands in for the detector: a face in the middle, one in a corner if bright, none if black."""

    min_confidence = 0.6

    def __init__(self, *, threads: int | None = None) -> None:
        pass

    def detect(self, image: np.ndarray) -> list[Face]:
        count = 2 if image.max() > 200 else int(image.any())
        boxes = np.array([(20, 30, 40, 50), (0, 0, 20, 20)], np.float32)[:count]
        return [Face(box, (box[:2] + INSIDE * box[2:]).astype(np.float32), 0.9) for box in boxes]
