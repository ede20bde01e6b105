"""Stage robustness: how far scores move with the landmarks, by JPEG and in the mirror."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..core.errors import DataError, SettingsError
from ..core.protocols import InputSpec, Progress
from ..core.types import FaceCrops
from ..faces.degrade import reencoded
from ..faces.detect import Detector
from ..faces.extract import cut_out, extract
from ..io.atomic import HEADER
from ..io.crops import CropFolder
from ..io.images import ImageError, read_image
from ..io.samples import find_images
from ..io.store import read_samples, write_json
from .models import DEPLOYED, MethodStage
from .settings import setting

logger = logging.getLogger(__name__)

_FRAME = 112


@dataclass(frozen=True, kw_only=True)
class Robustness(MethodStage):
    """Measure how far the scores of a model or method move under changes that should not move them.

    Landmark noise (the photo is aligned anew), JPEG re-encoding of the crop, and its mirror image. The JSON
    gives the mean absolute change of the score in standard deviations of the scores, and of the 0 to 100
    points, and the rank correlation before and after; `fiqa export --robustness` puts it into the card.
    """

    name: ClassVar[str] = "robustness"
    photos: Path = setting(
        help="Folder or list of photos, or a crop folder whose photos are still in place.", argument=True
    )
    n_photos: int = setting(500, help="Photos to take, drawn by the seed.")
    landmarks: tuple[float, ...] = setting(
        (1.0, 2.0, 3.0), help="Standard deviation of landmark noise, in pixels of the 112-pixel crop."
    )
    jpeg: tuple[int, ...] = setting((95, 90, 80, 70, 50, 30), help="JPEG quality; may be repeated.")

    def __post_init__(self) -> None:
        if self.n_photos < 2 or min(self.landmarks, default=1) <= 0:
            raise SettingsError(
                f"robustness needs --n-photos of 2 or more and --landmarks above 0, got {self.n_photos} and "
                f"{', '.join(map(str, self.landmarks)) or 'none'}"
            )
        if self.jpeg and not 1 <= min(self.jpeg) <= max(self.jpeg) <= 100:
            raise SettingsError(f"--jpeg must be in 1 to 100, got {', '.join(map(str, self.jpeg))}")

    def run(self, progress: Progress) -> None:
        """Write the sensitivities as JSON."""
        from ..deploy.robustness import Change, sensitivity

        method = self.build(self.method_name(default=DEPLOYED))
        detector, rng, paths = Detector(), np.random.default_rng(self.seed), self._paths()
        found = []
        for number, path in enumerate(paths):
            if (crops := self._changed(path, method.spec, detector, rng)) is not None:
                found.append(method.score(crops))
            progress(number + 1, len(paths))
        if len(found) < 2:
            raise DataError(f"{self.photos}: {len(found)} faces in {len(paths)} photos, needed are 2 or more")
        before, *after = np.array(found).T
        changes: list[tuple[Change, float]] = [
            *(("landmarks", amount) for amount in self.landmarks),
            *(("jpeg", quality) for quality in self.jpeg),
            ("mirror", 0),
        ]
        card = getattr(method, "card", None)
        points = None if card is None else card.scale.score100
        rows = [
            sensitivity(before, scores, change=change, amount=amount, points=points).to_dict()
            for (change, amount), scores in zip(changes, after, strict=True)
        ]
        facts = {"method": method.name, "n_crops": len(before), "score_std": float(before.std())}
        provenance = self.provenance("robustness").to_json()
        write_json(self.output, {**facts, "rows": rows, "provenance": provenance})

    def _changed(
        self, path: Path, spec: InputSpec, detector: Detector, rng: np.random.Generator
    ) -> FaceCrops | None:
        """The crop of a photo as it is, then after each change; None where no face is found."""
        try:
            image = read_image(path)
        except ImageError as error:
            logger.warning("left out %s: %s", path, error)
            return None
        seen = extract(image, detector, sample_id=path.name, crop=spec.crop, size=spec.size)
        noise = rng.standard_normal((len(self.landmarks), 5, 2))
        if seen.crops.source_scale is None:
            return None
        points = seen.faces[0].landmarks
        pixel = float(seen.crops.source_scale[0]) * spec.size / _FRAME
        moved = [points + amount * pixel * one for amount, one in zip(self.landmarks, noise, strict=True)]
        aligned = cut_out(image, [points, *moved], crop=spec.crop, size=spec.size)
        first = aligned.rows(slice(1))
        again = [replace(first, images=reencoded(first.images[0], quality=q)[None]) for q in self.jpeg]
        return FaceCrops.joined([aligned, *again, first.mirrored()])

    def _paths(self) -> list[Path]:
        """The photographs, drawn by the seed, in order."""
        if (self.photos / HEADER).exists():
            files = CropFolder.open(self.photos).table.texts("photo")
        else:
            samples = find_images(self.photos) if self.photos.is_dir() else read_samples(self.photos)
            if samples.paths is None:
                raise DataError(f"{self.photos} has no column path; give photos, not samples alone")
            files = samples.paths
        files = np.unique(files)
        chosen = np.random.default_rng(self.seed).permutation(len(files))[: self.n_photos]
        paths = [Path(str(name)) for name in files[np.sort(chosen)]]
        if gone := [path for path in paths if not path.exists()]:
            raise DataError(
                f"{len(gone)} photos of {self.photos} are not in place, first {gone[0]}: landmark noise "
                f"needs the photos, not their crops"
            )
        return paths
