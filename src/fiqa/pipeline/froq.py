"""Stage froq: the layers of a recogniser that the method froq observes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from ..core.errors import DataError
from ..core.protocols import Progress
from ..io.store import write_json
from .models import RecogniserStage
from .settings import setting
from .source import open_source


@dataclass(frozen=True, kw_only=True)
class FindLayers(RecogniserStage):
    """Find the layers whose response tells quality, once for a recogniser.

    Takes some faces that differ in quality and writes a JSON file for
    `fiqa score --method froq --method-settings FILE`. Costs some 80 passes a face.
    """

    name: ClassVar[str] = "froq"
    photos: Path = setting(help="Folder or list of photos, or a crop folder.", argument=True)
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    count: int = setting(200, help="Photos to use, drawn at random; all where there are fewer.")
    seed: int = setting(0, help="Seed of the draw and of the noise.")

    def run(self, progress: Progress) -> None:
        """Write the names of the layers, and how well they agree with what they were chosen by."""
        from ..methods.bounds import whole
        from ..methods.froq import search_layers

        count = whole("count", self.count)
        recogniser = self.load_torch_recogniser()
        source = open_source(self.photos, recogniser.spec, aligned=self.aligned, face=self.face)
        order = np.random.default_rng(self.seed).permutation(len(source.samples))
        crops = source.load(np.sort(order[:count])).crops
        if not len(crops):
            raise DataError(f"no usable face in {len(order)} images of {self.photos}")
        found = search_layers(recogniser, crops, seed=self.seed, progress=progress)
        write_json(
            self.output,
            {
                "method": "froq",
                "recogniser": recogniser.name,
                "settings": {"layers": list(found.layers)},
                "agreement": found.agreement,
                "crops": len(crops),
                "provenance": self.provenance("method settings").to_json(),
            },
        )
