"""Stage explain: where a face loses quality, and why, as a picture."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError, WeightsError
from ..core.protocols import InputSpec, Progress
from ..core.types import FaceCrops, Failure, SampleSet
from ..explain.explanation import Explanation
from ..explain.factors import FACTOR_SPEC, factors
from ..explain.occlusion import occlusion_map
from ..explain.picture import picture
from ..faces.detect import Detector
from ..faces.extract import Extraction, extract
from ..io.atomic import HEADER, atomic
from ..io.images import IMAGE_SUFFIXES, ImageError, read_image, write_image
from ..io.inputs import Inputs, names_many
from ..io.samples import readable
from ..io.store import FAILURES, write_failures, write_json
from ..methods import METHODS, load_method
from ..models.recognisers import load_torch_recogniser
from .models import DEPLOYED, MethodStage, read_contract, without_missing
from .settings import setting

if TYPE_CHECKING:
    from ..explain.gradient import ScoreTensor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Explain(MethodStage):
    """Show where each face loses quality, and say why in plain words.

    One photo gives PHOTO.explained.png here and a .json beside it; several, or a folder, give one of each a
    face in a folder. Without a method or model the shipped model is explained. With torch installed, methods
    that have gradients show them too.
    """

    name: ClassVar[str] = "explain"
    photos: tuple[Path, ...] = setting(help="Photos, folders, patterns, lists, or -.", argument=True)
    output: Path = setting(
        None,
        help="PNG to write, or a folder for several; by default PHOTO.explained.png, or explained/",
        written=True,
        flags=("-o",),
    )
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    patch: int | None = setting(
        None, help="Side in pixels of the patch that hides a place; 3/14 of the crop by default."
    )
    stride: int | None = setting(None, help="Step of the patch in pixels; 1/14 of the crop by default.")
    fill: Literal["mean", "grey"] = setting("mean", help="Colour of the patch: mean of the crop, or grey.")
    seed: int = setting(0, help="Seed of methods that draw at random, and of the gradient's noise.")

    def __post_init__(self) -> None:
        if not self.photos:
            raise SettingsError("name a photo or a folder of photos")
        self.method_name(default=DEPLOYED)
        one = len(self.photos) == 1 and not names_many(self.photos[0]) and self.face != "all"
        if self.output is None:
            place = Path(f"{self.photos[0].stem}.explained.png" if one else "explained")
            object.__setattr__(self, "output", place)
        elif not one and self.output.suffix.lower() == ".png":
            raise SettingsError(f"{self.output} names one picture, and there may be several: name a folder")
        elif self.output.suffix.lower() in IMAGE_SUFFIXES and self.output.suffix.lower() != ".png":
            raise SettingsError(f"{self.output} must end in .png, or name a folder")

    def inputs(self) -> dict[str, Path]:
        """Every path that the stage reads; photos among several may be missing."""
        return without_missing(super().inputs(), self.photos)

    def run(self, progress: Progress) -> None:
        """Write pictures and what they say as JSON."""
        explainer = _Explainer(self)
        if self.output.suffix.lower() == ".png":
            found, failures = explainer.explain(self.photos[0].name, self.photos[0])
            if failures:
                raise DataError(f"nothing to explain in {self.photos[0]}: {failures[0].message}")
            _write(self.output, found[0])
            progress(1, 1)
            return
        samples, failures, count = self._samples(), [], 0
        assert samples.paths is not None  # all come from files
        with atomic(self.output) as folder:
            folder.mkdir()
            for number, (name, path) in enumerate(zip(samples.sample_ids, samples.paths, strict=True)):
                found, failed = explainer.explain(str(name), Path(str(path)))
                failures += failed
                count += len(found)
                for explanation in found:
                    _write(folder / f"{explanation.sample_id}.png", explanation)
                progress(number + 1, len(samples))
            if not count:
                raise DataError(
                    f"no usable face in {len(samples)} images; {failures[0].sample_id}: {failures[0].message}"
                )
            write_failures(folder / FAILURES, failures)
            write_json(folder / HEADER, {"provenance": self.provenance("explanations").to_json()})

    def _samples(self) -> SampleSet:
        """The photographs, named by their path below the folder that holds them all."""
        (samples,) = Inputs.of(self.photos).batches()
        if len(self.photos) == 1 and self.photos[0].is_dir():
            return samples
        assert samples.paths is not None  # all come from files
        paths = [Path(path).absolute() for path in samples.paths.tolist()]
        top = os.path.commonpath([path.parent for path in paths])
        ids = np.array([readable(path.relative_to(top).as_posix()) for path in paths])
        return SampleSet(ids, ids, samples.paths)


class _Explainer:
    """Explains one photograph after the other by one method."""

    def __init__(self, stage: Explain) -> None:
        self.stage, self.detector = stage, Detector()
        self.name = stage.method_name(default=DEPLOYED)
        self.method = stage.build(self.name)
        self.score_tensor = self._differentiable()

    def explain(self, sample_id: str, path: Path) -> tuple[list[Explanation], list[Failure]]:
        """The faces of a photograph, or why there is none."""
        try:
            photo = read_image(path)
        except ImageError as error:
            return [], [Failure(sample_id, self.stage.name, error.reason, str(error))]
        seen = self._faces(sample_id, photo, self.method.spec)
        if seen.failure:
            return [], [seen.failure]
        judged = self._faces(sample_id, photo, FACTOR_SPEC)
        values = factors(judged.crops)
        return [
            Explanation(
                sample_id=f"{sample_id}#{row}" if row else sample_id,
                method=self._label(),
                score=score,
                meaning=self._meaning(score),
                photo=photo,
                box=face.box,
                landmarks=face.landmarks,
                crop=crop.images[0],
                occlusion=occlusion_map(
                    self.method,
                    crop,
                    patch=self.stage.patch,
                    stride=self.stage.stride,
                    fill=self.stage.fill,
                ),
                gradient=self._gradient(crop),
                factors={name: float(column[row]) for name, column in values.items()},
            )
            for row, face in enumerate(seen.faces)
            for crop in [seen.crops.rows(slice(row, row + 1))]
            for score in [float(self.method.score(crop)[0])]
        ], []

    def _faces(self, sample_id: str, photo: NDArray[np.uint8], spec: InputSpec) -> Extraction:
        return extract(
            photo,
            self.detector,
            sample_id=sample_id,
            crop=spec.crop,
            size=spec.size,
            face=self.stage.face,
        )

    def _meaning(self, score: float) -> dict[str, float]:
        """Points, percentile and expected FNMR where the method has them."""
        if not hasattr(self.method, "columns"):
            return {}
        return {name: column[0].item() for name, column in self.method.columns([score]).items()}

    def _label(self) -> str:
        if self.name == DEPLOYED:
            return self.method.name
        if self.stage.model:
            return f"{self.name} · {Path(self.stage.model).name}"
        needs_recogniser = "recogniser" in METHODS.get(self.name).needs
        return f"{self.name} · {self.stage.recogniser_name(self.name)}" if needs_recogniser else self.name

    def _gradient(self, crop: FaceCrops) -> NDArray[np.float64] | None:
        if self.score_tensor is None:
            return None
        from ..explain.gradient import gradient_map

        return gradient_map(self.score_tensor, crop, spec=self.method.spec, seed=self.stage.seed)

    def _differentiable(self) -> ScoreTensor | None:
        """The score as a torch function where the method offers it, if need be on a second network.

        Scores and the sweep stay with onnxruntime, as in `fiqa score`: it is faster, and needs no torch.
        """
        offered: ScoreTensor | None = getattr(self.method, "score_tensor", None)
        without = not hasattr(self.method, "score_tensor") or find_spec("torch") is None
        if offered is not None or without:
            return offered
        stage = self.stage
        try:
            network = load_torch_recogniser(
                stage.recogniser_name(self.name),
                path=stage.weights_path(),
                contract=read_contract(stage.contract),
            )
        except WeightsError as error:
            logger.warning("no gradient map: %s", error)
            return None
        twin: ScoreTensor = getattr(load_method(self.name, network, seed=stage.seed), "score_tensor")  # noqa: B009
        return twin


def _write(path: Path, explanation: Explanation) -> None:
    write_json(path.with_suffix(".json"), explanation.to_json())
    with atomic(path) as temporary:
        write_image(temporary, picture(explanation))
