"""Stage label: quality labels from embeddings and subjects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..core.protocols import Progress
from ..io.store import read_embeddings, read_samples, write_scores
from .degradation import degradation_behind
from .settings import Stage, setting


@dataclass(frozen=True, kw_only=True)
class Label(Stage):
    """Derive quality labels for samples of known subjects from their embeddings.

    Label sources look at the other images of the subject, so they exist for training data alone;
    `fiqa methods` lists them (those that give labels).
    """

    name: ClassVar[str] = "label"
    writes_table: ClassVar[bool] = True
    embeddings: Path = setting(help="Folder written by `fiqa embed`.", argument=True)
    method: str = setting("embedding_norm", help="Label source.")
    seed: int = setting(0, help="Seed of random draws.")

    def degradation(self) -> str | None:
        """That of the images embedded."""
        return degradation_behind(self.embeddings)

    def run(self, progress: Progress) -> None:
        """Write `output` as Parquet, CSV or JSON by its suffix."""
        from ..methods import load_label_source

        source = load_label_source(self.method)
        samples = read_samples(self.embeddings / "samples.parquet")
        embeddings = read_embeddings(self.embeddings)
        progress(0, len(samples))
        labels = source.labels(embeddings, samples, np.random.default_rng(self.seed))
        write_scores(self.output, labels, provenance=self.provenance("scores"))
        progress(len(samples), len(samples))
