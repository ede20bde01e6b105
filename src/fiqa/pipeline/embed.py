"""Stage embed: what a recogniser sees in each face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import Progress
from ..core.types import SampleSet
from ..io.parts import Parts
from ..io.store import write_embeddings
from ..models.embed import embed, embedding_set
from ..models.recognisers import load_recogniser
from .models import read_contract
from .settings import Stage, setting
from .source import Batch, chunks, failure_columns, failures_from, open_source


@dataclass(frozen=True, kw_only=True)
class Embed(Stage):
    """Embed the faces of photos, crops, or a crop folder with a recogniser.

    Writes vectors.npy (unit length), samples.parquet (ids, subjects, norms), header.json and failures.csv.
    """

    name: ClassVar[str] = "embed"
    photos: Path = setting(
        help="Folder or list of photos, a crop folder, or a .bin or .rec file.", argument=True
    )
    recogniser: str = setting("sface", help="Name (see `fiqa recognisers`) or onnx:PATH.")
    weights: Path | None = setting(None, help="Weights file of the recogniser.")
    contract: Path | None = setting(None, help="TOML card of an onnx:PATH: size, crop, colour, mean, std.")
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    half: bool = setting(False, help="Store vectors as float16.")

    def run(self, progress: Progress) -> None:
        """Write the embedding folder; a killed run goes on where it ended."""
        recogniser = load_recogniser(
            self.recogniser, path=self.weights, contract=read_contract(self.contract)
        )
        source = open_source(self.photos, recogniser.spec, aligned=self.aligned, face=self.face)
        todo = chunks(source)

        def work(number: int) -> dict[str, NDArray[Any]]:
            batch: Batch = source.load(todo[number])
            vectors, norms = embed(recogniser, [batch.crops.images])
            return {
                "sample_ids": batch.samples.sample_ids,
                "subject_ids": batch.samples.subject_ids,
                "vectors": vectors,
                "norms": norms,
                **failure_columns(batch.failures),
            }

        provenance = self.provenance("embeddings")
        parts = Parts.beside(self.output, provenance)
        parts.run(len(todo), work, progress=progress)
        joined = parts.collect()
        embeddings, zero = embedding_set(
            recogniser, joined["sample_ids"], vectors=joined["vectors"], norms=joined["norms"]
        )
        if not len(embeddings):
            raise DataError(f"no usable face in {len(source.samples)} images of {self.photos}")
        samples = SampleSet(joined["sample_ids"], joined["subject_ids"])
        write_embeddings(
            self.output,
            embeddings,
            samples=samples,
            failures=[*source.earlier, *failures_from(joined), *zero],
            provenance=provenance,
            half=self.half,
        )
        parts.remove()
