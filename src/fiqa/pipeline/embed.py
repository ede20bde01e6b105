"""Stage embed: what a recogniser sees in each face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.protocols import Progress, Recogniser
from ..core.types import EmbeddingSet, Failure, SampleSet
from ..io.parts import Parts
from ..io.store import write_embeddings
from ..models.embed import embed, embedding_set
from .degradation import degradation_behind
from .models import RecogniserStage
from .settings import setting
from .source import Batch, Source, chunks, failure_columns, failures_from, in_images, open_source


@dataclass(frozen=True, kw_only=True)
class Embed(RecogniserStage):
    """Embed the faces of photos, crops, or a crop folder with a recogniser.

    Writes vectors.npy (unit length), samples.parquet (ids, subjects, norms), header.json and failures.csv.
    """

    name: ClassVar[str] = "embed"
    counts: ClassVar[str] = "images"
    photos: Path = setting(
        help="Folder or list of photos, a crop folder, or a .bin or .rec file.", argument=True
    )
    face: Literal["largest", "central", "all"] = setting("largest", help="largest, central or all faces.")
    aligned: bool = setting(False, help="The images are aligned crops already.")
    half: bool = setting(False, help="Store vectors as float16.")

    def degradation(self) -> str | None:
        """That of the images that are read."""
        return degradation_behind(self.photos, photographs=not self.aligned)

    def run(self, progress: Progress) -> None:
        """Write the embedding folder; a killed run goes on where it ended."""
        recogniser = self.load_recogniser()
        source = open_source(self.photos, recogniser.spec, aligned=self.aligned, face=self.face)
        provenance = self.provenance("embeddings")
        parts = Parts.beside(self.output, provenance)
        (embeddings,), samples, failures = embed_source(source, [recogniser], parts, progress=progress)
        if not len(embeddings):
            raise DataError(f"no usable face in {len(source.samples)} images of {self.photos}")
        write_embeddings(
            self.output,
            embeddings,
            samples=samples,
            failures=failures,
            provenance=provenance,
            half=self.half,
        )
        parts.remove()


def embed_source(
    source: Source,
    recognisers: Sequence[Recogniser],
    parts: Parts,
    *,
    rows: NDArray[np.int64] | None = None,
    progress: Progress,
) -> tuple[list[EmbeddingSet], SampleSet, list[Failure]]:
    """Embed the faces of a source with recognisers that want the same crops.

    Args:
        source: Where the faces come from.
        recognisers: What embeds them, each crop being made once.
        parts: Where finished chunks lie until all are there.
        rows: Photographs of the source to take; all of them if None.
        progress: Called with chunks done and all chunks.

    Returns:
        Embeddings of each recogniser, the samples of all faces, and what could not be embedded.
    """
    todo = chunks(source, rows)

    def work(number: int) -> dict[str, NDArray[Any]]:
        batch: Batch = source.load(todo[number])
        columns: dict[str, NDArray[Any]] = {
            "sample_ids": batch.samples.sample_ids,
            "subject_ids": batch.samples.subject_ids,
        }
        for place, recogniser in enumerate(recognisers):
            vectors, norms = embed(recogniser, [batch.crops.images])
            columns |= {f"vectors_{place}": vectors, f"norms_{place}": norms}
        return columns | failure_columns(batch.failures)

    parts.run(len(todo), work, progress=in_images(progress, todo))
    joined = parts.collect()
    failures = [*source.earlier, *failures_from(joined)]
    found = []
    for place, recogniser in enumerate(recognisers):
        vectors, norms = joined[f"vectors_{place}"], joined[f"norms_{place}"]
        embeddings, zero = embedding_set(recogniser, joined["sample_ids"], vectors=vectors, norms=norms)
        found.append(embeddings)
        failures += zero
    return found, SampleSet(joined["sample_ids"], joined["subject_ids"]), failures
