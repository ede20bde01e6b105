"""Crops to distil on: seeded degraded variants, several sources as one, mirror images and second looks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.protocols import Progress, silent
from ..core.types import FaceCrops, SampleSet
from ..models.second_look import softened
from .data import CropSource
from .features import cached

Vary = Callable[[NDArray[np.uint8], str], NDArray[np.uint8]]
"""Crop (size, size, 3) and its sample id -> the variant; always the same one."""


class Variant:
    """Each of n crops in another form, kept as pixels in a cache.

    The variant of a crop has its id and ``+name``, and its subject.
    """

    def __init__(
        self,
        crops: CropSource,
        *,
        name: str,
        vary: Vary,
        recipe: str,
        cache: Path,
        progress: Progress = silent,
    ) -> None:
        """Make the variants, or find them in the cache.

        Args:
            crops: n crops.
            name: Ends the sample ids.
            vary: Makes the variant of a crop.
            recipe: All that `vary` depends on, for the digest.
            cache: Folder of caches, made if absent.
            progress: Called with (chunks done, chunks in all).
        """
        self.crops = crops
        ids = crops.samples.sample_ids
        named = np.array([f"{one}+{name}" for one in ids.tolist()])
        self.samples = SampleSet(named, crops.samples.subject_ids)
        self.digest = _digest(crops.digest, "variant", name, recipe)

        def block(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            pairs = zip(crops.load(rows).images, ids[rows].tolist(), strict=True)
            return np.stack([vary(*one) for one in pairs])

        self._images = cached(self.digest[:32], len(ids), block, cache=cache, progress=progress)

    def load(self, rows: NDArray[np.int64]) -> FaceCrops:
        """The crops at these rows."""
        return FaceCrops(self._images[rows])


class Joined:
    """The crops of several sources, one after the other; their sample ids differ."""

    def __init__(self, sources: Sequence[CropSource]) -> None:
        self.sources = sources
        samples = [source.samples for source in sources]
        self.samples = SampleSet(
            np.concatenate([part.sample_ids for part in samples]),
            np.concatenate([part.subject_ids for part in samples]),
        )
        self.digest = _digest("joined", *(source.digest for source in sources))
        self._firsts = np.cumsum([0, *(len(part) for part in samples)])

    @property
    def originals(self) -> NDArray[np.int64]:
        """(n,) row of the crop that each is a `Variant` of; its own where there is no such crop here."""
        firsts = {id(source): first for source, first in zip(self.sources, self._firsts, strict=False)}
        rows = []
        for source in self.sources:
            shown = source.crops if isinstance(source, Variant) else source
            first = firsts.get(id(shown), firsts[id(source)])
            rows.append(first + np.arange(len(source.samples)))
        return np.concatenate(rows)

    def load(self, rows: NDArray[np.int64]) -> FaceCrops:
        """The crops at these rows."""
        places = np.searchsorted(self._firsts, rows, side="right") - 1
        order = np.argsort(places, kind="stable")
        parts = [
            self.sources[place].load(rows[places == place] - self._firsts[place]).images
            for place in np.unique(places)
        ]
        return FaceCrops(np.concatenate(parts)[np.argsort(order)])


class Mirrored:
    """n crops, and in rows n to 2 n - 1 their mirror images, whose ids end in ``+mirror``."""

    def __init__(self, crops: CropSource) -> None:
        self.crops = crops
        ids, subjects = crops.samples.sample_ids, crops.samples.subject_ids
        mirrored = [f"{name}+mirror" for name in ids.tolist()]
        self.samples = SampleSet(np.concatenate([ids, mirrored]), np.tile(subjects, 2))
        self.digest = _digest("mirrored", crops.digest)

    def load(self, rows: NDArray[np.int64]) -> FaceCrops:
        """The crops at these rows."""
        n_crops = len(self.crops.samples)
        images = self.crops.load(rows % n_crops).images
        mirror = (rows >= n_crops)[:, None, None, None]
        return FaceCrops(np.where(mirror, images[:, :, ::-1], images))


class Softened:
    """n crops, blurred, under their own ids."""

    def __init__(self, crops: CropSource, *, sigma: float) -> None:
        self.crops, self.sigma = crops, sigma
        self.samples = crops.samples
        self.digest = _digest("softened", str(float(sigma)), crops.digest)

    def load(self, rows: NDArray[np.int64]) -> FaceCrops:
        """The crops at these rows."""
        return FaceCrops(softened(self.crops.load(rows).images, sigma=self.sigma))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
