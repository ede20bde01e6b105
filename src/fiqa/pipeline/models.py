"""Recognisers and methods as the settings of a stage name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import SettingsError
from ..core.protocols import InputSpec, QualityMethod, Recogniser
from ..io.inputs import names_many
from ..io.store import read_json
from ..methods import METHODS, load_method
from ..models.recognisers import load_recogniser, load_torch_recogniser
from .settings import Stage, read_toml, setting

if TYPE_CHECKING:
    from ..models.torch_recogniser import TorchRecogniser

REGRESSOR = "regressor.pt"
LEARNED = "learned"
"""Method of a regressor in its folder."""
DEPLOYED = "deployed"
"""Stands for the method of an exported or a shipped model, whose name is in its card."""


def read_contract(path: Path | None) -> InputSpec | None:
    """The input contract in a TOML card with keys size, crop, colour, mean, std; None without a path.

    Raises:
        SettingsError: If the file is no TOML or has an unknown key or value.
    """
    return None if path is None else _contract(read_toml(path), path)


def _quality_card(path: Path | None) -> tuple[InputSpec | None, dict[str, Any]]:
    """The contract in the card of a quality model, and what the card says of its output (direction)."""
    if path is None:
        return None, {}
    card = read_toml(path)
    output = {key: card.pop(key) for key in ("direction",) if key in card}
    return _contract(card, path), output


def _contract(card: dict[str, Any], path: Path) -> InputSpec:
    try:
        return InputSpec(**card)
    except (TypeError, SettingsError) as error:
        raise SettingsError(f"{path} is no input card with size, crop, colour, mean, std: {error}") from error


def build_method(
    name: str,
    *,
    recogniser: str | None = None,
    weights: Path | None = None,
    contract: Path | None = None,
    model: Path | None = None,
    seed: int = 0,
    settings: Path | None = None,
) -> QualityMethod:
    """A method that scores crops, with the recogniser, the weights or the trained model that it needs.

    Without a recogniser a method takes its own, see `MethodRow`; `settings` is a file that
    `read_method_settings` reads.

    Raises:
        SettingsError: If the method is unknown or a name does not fit it.
        WeightsError: If weights are absent, altered or do not fit.
    """
    row = METHODS.get(name)
    if row.needs == "weights":
        spec, output = _quality_card(contract)
        chosen = {**read_method_settings(settings, method=name), **output}
        return load_method(name, weights=weights, contract=spec, settings=chosen)
    checkpoint = model / REGRESSOR if model is not None and model.is_dir() else model
    if row.needs not in ("recogniser", "torch recogniser"):
        chosen = read_method_settings(settings, method=name)
        return load_method(name, checkpoint=checkpoint, seed=seed, settings=chosen)
    load = load_recogniser if row.needs == "recogniser" else load_torch_recogniser
    backbone: Recogniser = load(recogniser or row.recogniser, path=weights, contract=read_contract(contract))
    chosen = read_method_settings(settings, method=name, recogniser=backbone.name)
    return load_method(name, backbone, seed=seed, settings=chosen)


def read_method_settings(path: Path | None, *, method: str, recogniser: str | None = None) -> dict[str, Any]:
    """Constructor arguments of a method in a JSON file; none without a path.

    The file holds an object ``settings`` and, where they matter, the names of the ``method`` and the
    ``recogniser`` that they are for: ``{"method": "grafiqs", "settings": {"place": "image"}}``.

    Raises:
        DataError: If the file is no JSON object.
        SettingsError: If it has no settings or they are for another method or recogniser.
    """
    if path is None:
        return {}
    card = read_json(path)
    for what, actual in (("method", method), ("recogniser", recogniser)):
        if card.get(what, actual) != actual:
            raise SettingsError(f"{path} holds settings for {what} {card[what]}, not {actual}")
    settings = card.get("settings")
    if not isinstance(settings, dict):
        raise SettingsError(f"{path} must hold an object named settings, got {', '.join(card) or 'nothing'}")
    return settings


def _is_checkpoint(model: Path) -> bool:
    """Whether this is a folder of `fiqa train`, there already or not, and no exported or shipped model."""
    known = model.is_dir() or model.suffix == Path(REGRESSOR).suffix
    return known or (model.suffix != ".onnx" and len(model.parts) > 1)


@dataclass(frozen=True, kw_only=True)
class RecogniserStage(Stage):
    """A stage that runs a recogniser."""

    recogniser: str = setting("sface", help="Name (see `fiqa recognisers`), onnx:PATH or torch:PATH.")
    weights: Path | None = setting(None, help="Weights file of the recogniser.")
    contract: Path | None = setting(None, help="TOML card of an own file: size, crop, colour, mean, std.")

    def load_recogniser(self) -> Recogniser:
        """The recogniser, to embed with."""
        return load_recogniser(self.recogniser, path=self.weights, contract=read_contract(self.contract))

    def load_torch_recogniser(self) -> TorchRecogniser:
        """The recogniser, to differentiate, cut or train."""
        return load_torch_recogniser(
            self.recogniser, path=self.weights, contract=read_contract(self.contract)
        )


def without_missing(found: dict[str, Path], photos: Sequence[Path]) -> dict[str, Path]:
    """Inputs without the photographs that do not exist, which end among the failures; one alone stays."""
    if len(photos) > 1 or names_many(photos[0]):
        return {name: path for name, path in found.items() if path not in photos or path.exists()}
    return found


@dataclass(frozen=True, kw_only=True)
class MethodStage(Stage):
    """A stage that scores crops: by which method, and on what the method runs."""

    method: str | None = setting(None, help="Quality method (see `fiqa methods`).")
    method_settings: Path | None = setting(
        None, help="JSON file of the method's settings, by hand or from `fiqa froq`."
    )
    model: str | None = setting(
        None, help="Model: a folder of `fiqa train`, an .onnx of `fiqa export`, or a name in `fiqa models`."
    )
    recogniser: str | None = setting(
        None, help="Recogniser of the method, onnx:PATH or torch:PATH; sface, or magface for magface."
    )
    weights: str | None = setting(None, help="Weights of the method or recogniser: a file or a known name.")
    contract: Path | None = setting(None, help="TOML card of an own file: size, crop, colour, mean, std.")
    seed: int = setting(0, help="Seed of methods that draw at random.")

    def method_name(self, *, default: str | None = None) -> str:
        """Name of the method; `default` where neither a method nor a model is given.

        Raises:
            SettingsError: If both are given, or neither and there is no default.
        """
        if (self.method is None) == (self.model is None) and (self.method or default is None):
            raise SettingsError("give either --method or --model; `fiqa methods` lists the methods")
        if self.model is not None and self.method_settings is not None:
            raise SettingsError("--method-settings go with --method; a trained model has none")
        if self.method is None and self.model is not None:
            return LEARNED if _is_checkpoint(Path(self.model)) else DEPLOYED
        return self.method or str(default)

    def recogniser_name(self, method: str) -> str:
        """The recogniser that was asked for, or else the method's own."""
        return self.recogniser or METHODS.get(method).recogniser

    def weights_path(self) -> Path | None:
        """Weights as a path; the name of a record is one too."""
        return None if self.weights is None else Path(self.weights)

    def build(self, method: str, *, threads: int | None = None) -> QualityMethod:
        """The method, ready to score; `threads` is how many cores a run of a deployed model may use."""
        if method == DEPLOYED:
            from ..deploy.model import load_deployed

            return load_deployed(self.model, threads=threads)
        return build_method(
            method,
            recogniser=self.recogniser,
            weights=self.weights_path(),
            contract=self.contract,
            model=None if self.model is None else Path(self.model),
            seed=self.seed,
            settings=self.method_settings,
        )
