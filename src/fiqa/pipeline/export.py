"""Stage export: a trained regressor as one ONNX file with its card."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..core.arrays import first_few
from ..core.errors import DataError, SettingsError
from ..core.optional import require
from ..core.protocols import InputSpec, Progress
from ..core.types import FaceCrops
from ..deploy.model import CARD
from ..io.atomic import HEADER, atomic
from ..io.crops import CropFolder
from ..io.provenance import digest
from ..io.store import read_calibration, read_json, write_json
from .models import LEARNED, REGRESSOR
from .settings import Stage, setting

if TYPE_CHECKING:
    from ..deploy.card import Precision
    from ..deploy.scale import Scale
    from ..models.checkpoint import RegressorRecord
    from ..models.crop_network import CropNetwork

CHUNK = 256
"""Crops held at a time while the reference is scored."""
_ALLOWED: dict[str, float | None] = {"float32": 1e-4, "float16": 2e-3, "int8": None}
"""Largest difference from the regressor, as a share of the score range."""
LIMITS = (
    "Scores tell how useful a crop is to recognition by networks like its teacher, not how it looks.",
    "Crops cut by other landmarks or another template get other scores; see robustness.",
    "A score says nothing about attacks: a good photograph of a mask can score high.",
)
"""What no model of this kind does; a card starts with these."""


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Write a trained model as one ONNX file that needs no torch, and card.json beside it.

    The file takes raw RGB crops. It is compared with the regressor on real crops first: where it strays too
    far nothing is written.
    """

    name: ClassVar[str] = "export"
    model: Path = setting(help="Folder written by `fiqa train`.", argument=True)
    crops: Path | None = setting(
        None, help="Crop folder to compare on and to calibrate int8 on; by default the first one trained on."
    )
    reference: Path | None = setting(
        None, help="Crop folder whose scores make 0 to 100 and percentiles; by default the same crops."
    )
    float16: bool = setting(
        False, help="16-bit weights, brought to 32 bits as the file is loaded: half of the size."
    )
    int8: bool = setting(False, help="8-bit weights and activations: a quarter of the size.")
    mirror: bool = setting(
        False, help="Score the mean over a crop and its mirror image: steadier, at half the speed."
    )
    n_crops: int = setting(512, help="Crops to compare on, drawn by the seed.")
    n_reference: int = setting(5000, help="Crops of the reference at most, drawn by the seed.")
    max_difference: float | None = setting(
        None,
        help="Largest difference allowed, a share of the score range; 1e-4, float16 2e-3, int8 any.",
    )
    min_spearman: float = setting(0.99, help="Smallest rank correlation allowed.")
    title: str | None = setting(None, help="Name of the model; by default that of the file.")
    licence: str = setting("that of the recogniser and the training data", help="Licence of the model.")
    terms: str = setting("not stated", help="Terms of the data and weights that it learnt from.")
    calibration: Path | None = setting(None, help="calibration.json of `fiqa calibrate` on its scores.")
    metrics: tuple[Path, ...] = setting(
        (), help="results.json of `fiqa evaluate` on its scores; may be repeated."
    )
    robustness: Path | None = setting(None, help="File of `fiqa robustness` on it.")
    limits: tuple[str, ...] = setting((), help="A known limit to state in the card; may be repeated.")
    seed: int = setting(0, help="Seed of the draws of crops.")

    def run(self, progress: Progress) -> None:
        """Export, compare, and write the model and its card."""
        require("torch", extra="lab", purpose="export a trained model")
        from ..deploy.card import Card
        from ..deploy.export import to_int8, to_onnx
        from ..deploy.parity import Parity
        from ..faces.align import landmark_template
        from ..methods.learned import Learned
        from ..models.onnx_graph import to_float16
        from ..models.onnx_session import onnx_network

        self._check_output()
        precision = self._precision()
        learned = Learned(self.model / REGRESSOR)
        spec = InputSpec(size=learned.spec.size, crop=learned.spec.crop)
        folder = self._crops(spec)
        calibrating, compared = self._draw(folder)
        content = to_onnx(learned.regressor, learned.spec, mirror=self.mirror)
        if precision == "int8":
            content = to_int8(content, calibrating.images)
        elif precision == "float16":
            content = to_float16(content)
        name = self.title or self.output.stem
        run = onnx_network(f"model {name}", content, spec, gives="score")
        views = [compared, compared.mirrored()] if self.mirror else [compared]
        reference = np.mean([learned.score(view) for view in views], axis=0)
        parity = Parity.of(run(compared.images)[:, 0], reference=reference)
        allowed = _ALLOWED[precision] if self.max_difference is None else self.max_difference
        parity.check(max_difference=allowed, min_spearman=self.min_spearman)
        card = Card(
            name=name,
            sha256=hashlib.sha256(content).hexdigest(),
            n_bytes=len(content),
            precision=precision,
            mirror=self.mirror,
            spec=spec,
            template=tuple((x, y) for x, y in landmark_template(spec.crop, spec.size).tolist()),
            scale=self._scale(run, folder, progress),
            licence=self.licence,
            terms=self.terms,
            training=training_facts(learned.record, checkpoint=digest(self.model / REGRESSOR)),
            parity=parity.to_dict(),
            **self._evidence(name),
            limits=(*LIMITS, *self.limits),
        )
        facts = {**card.to_dict(), "provenance": self._origin()}
        with atomic(self.output) as temporary:
            temporary.write_bytes(content)
        write_json(self.output.with_name(CARD), facts)

    def _precision(self) -> Precision:
        if self.float16 and self.int8:
            raise SettingsError("weights are stored in 16 bits or in 8: give --float16 or --int8, not both")
        return "float16" if self.float16 else "int8" if self.int8 else "float32"

    def _check_output(self) -> None:
        """Refuse an output whose card would take the place of another model's."""
        if self.output.suffix != ".onnx":
            raise SettingsError(f"{self.output} must end in .onnx")
        others = [
            path.name
            for path in self.output.parent.glob("*.onnx")
            if path.name != self.output.name and not path.with_suffix(".card.json").exists()
        ]
        if others and self.output.with_name(CARD).exists():
            raise DataError(
                f"{self.output.with_name(CARD)} is the card of {first_few(others)}: write to another folder, "
                f"or rename it NAME.card.json like its model"
            )

    def _crops(self, spec: InputSpec) -> CropFolder:
        """The crops to compare on, by default those trained on, or the first of them."""
        header = self.model / HEADER
        trained_on = read_json(header)["provenance"]["settings"].get("crops") if header.exists() else None
        if isinstance(trained_on, list):  # of a student
            trained_on = trained_on[0]
        chosen = self.crops or (Path(trained_on) if trained_on else None)
        if chosen is None or not chosen.is_dir():
            raise SettingsError(
                f"give --crops, real crops to compare on: those that {self.model} was trained on "
                f"({trained_on or 'not recorded'}) are not there"
            )
        return CropFolder.open(chosen, crop=spec.crop)

    def _draw(self, folder: CropFolder) -> tuple[FaceCrops, FaceCrops]:
        """Crops to calibrate int8 on and others to compare on."""
        if self.n_crops < 2 or self.n_reference < 2 or len(folder) < 4:
            raise SettingsError(
                f"an export needs --n-crops and --n-reference of 2 or more and 4 crops, got {self.n_crops}, "
                f"{self.n_reference} and {len(folder)} in {folder.folder}"
            )
        order = np.random.default_rng(self.seed).permutation(len(folder))[: 2 * self.n_crops]
        half = len(order) // 2
        return folder.load(np.sort(order[:half])), folder.load(np.sort(order[half:]))

    def _scale(self, run: CropNetwork, folder: CropFolder, progress: Progress) -> Scale:
        """The scale from the scores of the reference set by the exported file itself."""
        from ..deploy.scale import Scale

        folder = CropFolder.open(self.reference, crop=run.spec.crop) if self.reference else folder
        rows = np.random.default_rng(self.seed).permutation(len(folder))[: self.n_reference]
        scores = []
        for start in range(0, len(rows), CHUNK):
            scores.append(run(folder.load(rows[start : start + CHUNK]).images)[:, 0])
            progress(min(start + CHUNK, len(rows)), len(rows))
        return Scale.of(np.concatenate(scores), reference=str(folder.folder.name))

    def _evidence(self, name: str) -> dict[str, Any]:
        """Calibration, metrics and robustness, where files of them are given and speak of this model."""
        from ..deploy.card import ExpectedFnmr

        found: dict[str, Any] = {}
        if self.calibration:
            calibration = read_calibration(self.calibration)
            _same_model(self.calibration, calibration.method, name)
            found["calibration"] = ExpectedFnmr.of(calibration)
        if self.metrics:
            rows = [metric_rows(read_json(path), name, source=path) for path in self.metrics]
            found["metrics"] = tuple(itertools.chain.from_iterable(rows))
        if self.robustness:
            found["robustness"] = read_json(self.robustness)
            found["robustness"].pop("provenance", None)
            _same_model(self.robustness, found["robustness"].get("method", ""), name)
        return found

    def _origin(self) -> dict[str, Any]:
        """The provenance without folders of this machine: a card travels, and digests tell files apart."""
        origin = self.provenance("model").to_json()
        for name, value in vars(self).items():
            if isinstance(value, Path):
                origin["settings"][name] = value.name
            elif isinstance(value, tuple):
                origin["settings"][name] = [one.name if isinstance(one, Path) else one for one in value]
        return origin


def training_facts(record: RegressorRecord, *, checkpoint: str) -> dict[str, Any]:
    """What a card says of a training: what it started from and learnt, settings, and digests."""
    facts = asdict(record)
    del facts["spec"]
    return {"checkpoint": checkpoint, "teacher": record.teacher, **facts}


def metric_rows(results: Mapping[str, Any], name: str, *, source: Path) -> tuple[dict[str, Any], ...]:
    """Areas with intervals of one model in what `fiqa evaluate` wrote, one row a test bed and area.

    Raises:
        DataError: If the file has no test beds, or none of them has intervals of a method of that name or of
            ``learned``.
    """
    try:
        beds = results["test_beds"]
        rows = tuple(
            {
                **{key: bed[key] for key in ("benchmark", "recogniser", "n_subjects", "n_mated", "fmr")},
                "variant": one["variant"],
                **interval,
            }
            for bed in beds
            for one in bed["evaluations"]
            if one["method"] in (name, LEARNED)
            for interval in one["intervals"]
        )
        methods = sorted({one["method"] for bed in beds for one in bed["evaluations"]})
    except (KeyError, TypeError) as error:
        raise DataError(f"{source} is no results.json of `fiqa evaluate`: {error!r}") from error
    if not rows:
        raise DataError(
            f"{source} has no intervals of {name} or {LEARNED}; it has methods {first_few(methods)}: "
            f"evaluate with --replicates and name the scores {name}"
        )
    return rows


def _same_model(path: Path, method: str, name: str) -> None:
    if method not in (name, LEARNED):
        raise DataError(
            f"{path} speaks of {method or 'no method'}, the model is {name}: score and measure with it"
        )
