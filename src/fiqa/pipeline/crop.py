"""Stage crop: photographs to aligned faces on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import InputSpec, Progress
from ..core.types import FaceCrops, SampleSet
from ..faces.align import crop_size
from ..faces.degrade import degrade, draw_degradation
from ..io.crops import write_crops
from ..io.parts import Parts
from ..io.provenance import Provenance
from .settings import Stage, setting
from .source import chunks, failure_columns, failures_from, in_images, open_source


@dataclass(frozen=True, kw_only=True)
class Crop(Stage):
    """Find the face of each photo, align it, and keep it as a lossless crop.

    PHOTOS is a folder (PHOTOS/subject/file.jpg gives the subjects) or a list (CSV, Parquet) with columns
    sample_id, subject_id, path. Photos without a usable face are listed in failures.csv.
    """

    name: ClassVar[str] = "crop"
    counts: ClassVar[str] = "images"
    photos: Path = setting(help="Folder or list of photos, or a .bin or .rec file.", argument=True)
    crop: Literal["arcface", "dlib"] = setting("arcface", help="Alignment convention: arcface or dlib.")
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    strict: bool = setting(False, help="Refuse photos with several faces.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    degrade: float = setting(0.0, help="Share of crops that get one seeded degradation.")
    seed: int = setting(0, help="Seed of the degradations, with the sample id.")

    def run(self, progress: Progress) -> None:
        """Write crops, samples.parquet and failures.csv; a killed run goes on where it ended."""
        spec = InputSpec(size=crop_size(self.crop), crop=self.crop)
        source = open_source(self.photos, spec, aligned=self.aligned, face=self.face, strict=self.strict)
        draw = partial(draw_degradation, seed=self.seed, share=self.degrade)
        draw("")  # refuses a share out of range before the work
        todo = chunks(source)

        def work(number: int) -> dict[str, NDArray[Any]]:
            batch = source.load(todo[number])
            draws = [draw(name) for name in batch.samples.sample_ids.tolist()]
            images = [
                degrade(image, item.kind, severity=item.severity, rng=np.random.default_rng(item.seed))
                for image, item in zip(batch.crops.images, draws, strict=True)
            ]
            return {
                "sample_id": batch.samples.sample_ids,
                "subject_id": batch.samples.subject_ids,
                "photo": batch.paths,
                "images": np.stack(images) if images else batch.crops.images,
                **{name: values for name, values in _geometry(batch.crops).items() if values is not None},
                **batch.columns,
                "degradation": np.array([item.kind for item in draws], dtype=np.str_),
                "severity": np.array([item.severity for item in draws], dtype=np.float64),
                **failure_columns(batch.failures),
            }

        provenance = self.provenance("crops")
        parts = Parts.beside(self.output, provenance)
        parts.run(len(todo), work, progress=in_images(progress, todo))
        self._write(parts, provenance, photos=len(source.samples))
        parts.remove()

    def _write(self, parts: Parts, provenance: Provenance, *, photos: int) -> None:
        with write_crops(self.output, crop=self.crop, provenance=provenance) as writer:
            count = 0
            for columns in parts:
                writer.fail(failures_from(columns))
                samples = SampleSet(*(columns.pop(name) for name in ("sample_id", "subject_id", "photo")))
                images, scale = columns.pop("images"), columns.pop("source_scale", None)
                writer.add(samples, FaceCrops(images, columns.pop("landmarks", None), scale), columns=columns)
                count += len(samples)
            if not count:
                raise DataError(f"no usable face in {photos} images of {self.photos}")


def _geometry(crops: FaceCrops) -> dict[str, NDArray[np.float32] | None]:
    return {"landmarks": crops.landmarks, "source_scale": crops.source_scale}
