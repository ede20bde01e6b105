"""Stage verify: is this recogniser, with these crops and this contract, as good as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import Progress, Recogniser
from ..core.types import Failure, SampleSet
from ..io.parts import Parts
from ..io.store import read_json, write_json
from .embed import embed_source
from .models import RecogniserStage
from .settings import setting
from .source import open_source

if TYPE_CHECKING:
    from .benchmarks import Benchmark


@dataclass(frozen=True, kw_only=True)
class Verify(RecogniserStage):
    """Accuracy over the folds of a protocol, EER, and FNMR at an FMR, as JSON.

    All of it a second time with red and blue exchanged: where that is better, the crops or the contract have
    the wrong order. Only the samples that the pair list names are embedded.
    """

    name: ClassVar[str] = "verify"
    photos: Path = setting(help="Folder or list of photos, or a crop folder.", argument=True)
    pairs: str = setting(help="KIND:PATH of a pair list with folds, such as lfw:PATH/pairs.txt.")
    face: Literal["largest", "central"] = setting("largest", help="largest or central face.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    fmr: float = setting(1e-3, help="False match rate at which the FNMR is given.")

    def run(self, progress: Progress) -> None:
        """Write the rates, warnings and failures; a killed run goes on where it ended."""
        from ..comparisons.compare import compare
        from ..evaluate.verification import verify

        recogniser = self.load_recogniser()
        source = open_source(self.photos, recogniser.spec, aligned=self.aligned, face=self.face)
        wanted = self._benchmark(source.samples, source.earlier).pairs
        if wanted.folds is None:
            raise DataError(f"pairs {self.pairs} have no folds, which the accuracy of verification needs")
        rows = np.flatnonzero(np.isin(source.samples.sample_ids, wanted.sample_ids))
        provenance = self.provenance("verification")
        parts = Parts.beside(self.output, provenance)
        (given, swapped), samples, failures = embed_source(
            source, (recogniser, _Swapped(recogniser)), parts, rows=rows, progress=progress
        )
        usable = np.intersect1d(given.sample_ids, swapped.sample_ids)
        if not len(usable):
            raise DataError(f"no usable face in {len(rows)} images of {self.photos}")
        benchmark = self._benchmark(samples.at(usable), failures)
        found = verify(
            benchmark.name,
            compare(given, benchmark.pairs),
            compare(swapped, benchmark.pairs),
            fmr=self.fmr,
            n_dropped=benchmark.n_dropped,
        )
        more = {"failures": [vars(item) for item in failures], "provenance": provenance.to_json()}
        write_json(self.output, {**found.to_dict(), **more})
        parts.remove()

    def found(self) -> str:
        """Accuracy, EER and FNMR, and warnings."""
        result = read_json(self.output)
        rates = result["as_given"]
        told = f"accuracy {rates['accuracy']:.2%}, EER {rates['equal_error_rate']:.2%}"
        return "\n".join([f"{told}, FNMR {rates['fnmr']:.2%} at FMR {self.fmr:g}", *result["warnings"]])

    def _benchmark(self, samples: SampleSet, failed: Sequence[Failure]) -> Benchmark:
        from .benchmarks import open_benchmark

        return open_benchmark(self.pairs, samples, non_mated=1, seed=0, failed=failed)


class _Swapped:
    """A recogniser that is shown red for blue and blue for red."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.name, self.spec, self.dimension = recogniser.name, recogniser.spec, recogniser.dimension
        self._recogniser = recogniser

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._recogniser.embed(images[..., ::-1])
