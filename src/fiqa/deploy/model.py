"""A deployed model as a quality method: onnxruntime and its card, no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import SettingsError, WeightsError
from ..core.types import FaceCrops
from ..models.onnx_session import onnx_network
from .card import Card

CARD = "card.json"
SHIPPED = Path(__file__).parent / "shipped"
"""Folder of the models in this package, ``NAME.onnx`` and ``NAME.card.json``."""


class Deployed:
    """A model that `fiqa export` wrote.

    Attributes:
        name: Of the model, from its card.
        spec: Crops that it takes.
        card: What it is.
    """

    def __init__(self, model: bytes, card: Card, *, threads: int | None = None) -> None:
        """Plan the network.

        Args:
            model: The ONNX file.
            card: Its card.
            threads: Cores to use; None takes all of them.

        Raises:
            WeightsError: If the card is that of another file, or the network does not take its input.
        """
        digest = hashlib.sha256(model).hexdigest()
        if digest != card.sha256:
            raise WeightsError(
                f"the card of {card.name} is for a model of SHA-256 {card.sha256}, this one has {digest}; "
                f"keep a model and its card together, or run `fiqa export` again"
            )
        self.name, self.spec, self.card = card.name, card.spec, card
        self._network = onnx_network(f"model {card.name}", model, card.spec, gives="score", threads=threads)

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Native quality (n,), higher = more useful.

        Raises:
            DataError: If the crops have another size.
        """
        return self._network(crops.images)[:, 0].astype(np.float64)

    def columns(self, scores: ArrayLike) -> dict[str, NDArray[Any]]:
        """What native scores (n,) mean, see `Card.columns`."""
        return self.card.columns(scores)


def load_deployed(model: Path | str | None = None, *, threads: int | None = None) -> Deployed:
    """Load a model and its card.

    Args:
        model: An ONNX file, or the name of a shipped model; None takes the first that is shipped.
        threads: Cores a run may use; None takes all of them.

    Raises:
        SettingsError: If no shipped model has that name, or none is shipped.
        WeightsError: If the file or its card is absent, damaged, or they do not belong together.
    """
    path = model_file(model)
    card = read_card(path)
    try:
        return Deployed(path.read_bytes(), card, threads=threads)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def model_file(model: Path | str | None = None) -> Path:
    """The ONNX file that a model's path or name means; None means the first that is shipped.

    Raises:
        SettingsError: If no shipped model has that name, or none is shipped.
        WeightsError: If there is no such file.
    """
    if model is None or (not Path(model).suffix and not Path(model).exists()):
        return shipped_model(None if model is None else str(model))
    if not Path(model).is_file():
        raise WeightsError(f"there is no model at {model}; name an ONNX file that `fiqa export` wrote")
    return Path(model)


def card_file(model: Path) -> Path:
    """The card beside a model: ``NAME.card.json``, or else ``card.json``.

    Raises:
        WeightsError: If there is none.
    """
    own, shared = model.with_suffix(".card.json"), model.with_name(CARD)
    if not own.is_file() and not shared.is_file():
        raise WeightsError(
            f"{model} has no card: expected {own.name} or {shared.name} beside it, as `fiqa export` writes; "
            f"a network of another make runs by --method onnx --weights FILE --contract CARD"
        )
    return own if own.is_file() else shared


def read_card(model: Path) -> Card:
    """The card beside a model.

    Raises:
        WeightsError: If there is none, or it is no card.
    """
    path = card_file(model)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Card.from_dict(content if isinstance(content, dict) else {})
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is no card of a model: {error}") from error


def shipped_models() -> dict[str, Path]:
    """The models in this package by name, in order of name; the first is what `fiqa score` takes."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.onnx"))}


def shipped_model(name: str | None = None) -> Path:
    """The file of a shipped model, of the first one without a name.

    Raises:
        SettingsError: If there is none of that name, or none at all.
    """
    models = shipped_models()
    if not models:
        raise SettingsError(
            "no model is shipped with this copy of fiqa; give --model (a folder of `fiqa train` or an .onnx "
            "of `fiqa export`) or --method (`fiqa methods` lists them)"
        )
    name = name or next(iter(models))
    if name not in models:
        raise SettingsError(
            f"there is no model file and no shipped model {name!r}; shipped: {', '.join(models)}"
        )
    return models[name]
