"""Stage part: some of the crops or of the comparisons, for methods that are too slow for all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..core.protocols import Progress
from ..core.types import SampleSet
from ..io.atomic import HEADER, atomic
from ..io.crops import CropFolder
from ..io.pairlists import read_pairlist
from ..io.store import write_json, write_pairs, write_samples
from .settings import Stage, setting


@dataclass(frozen=True, kw_only=True)
class Part(Stage):
    """List some crops of the first subjects, or those that the first folds of a pair list compare.

    Subjects with fewer than --images crops are passed over: their labels could not be optimised.

    Writes crops.csv, a list that `fiqa score --aligned` reads, and with folds pairs.csv.
    """

    name: ClassVar[str] = "part"
    crops: Path = setting(help="Folder written by `fiqa crop`.", argument=True)
    subjects: int = setting(0, help="Subjects to take, the first ones with enough images.")
    images: int = setting(0, help="Crops to take of each, the first ones.")
    pairs: str = setting("", help="KIND:PATH of a pair list with folds, in the place of subjects.")
    folds: int = setting(0, help="Folds to take, the first ones.")

    def run(self, progress: Progress) -> None:
        """Write the lists."""
        counts = (self.subjects, self.images) if not self.pairs else (self.folds,)
        if min(counts) < 1:
            raise SettingsError("give --subjects and --images, or --pairs and --folds, each 1 or more")
        folder = CropFolder.open(self.crops)
        samples = folder.samples
        with atomic(self.output) as partial:
            partial.mkdir()
            if self.pairs:
                pairs = read_pairlist(self.pairs)
                if pairs.folds is None:
                    raise SettingsError(f"{self.pairs} has no folds to take {self.folds} of")
                kept = replace(pairs.rows(pairs.folds < self.folds), folds=None)
                write_pairs(partial / "pairs.csv", kept)
                compared = pairs.sample_ids[np.union1d(kept.first, kept.second)]
                chosen = np.isin(samples.sample_ids, compared)
            else:
                chosen = _first(samples, subjects=self.subjects, images=self.images)
            files = [str((folder.folder / name).resolve()) for name in folder.table.texts("path")[chosen]]
            write_samples(
                partial / "crops.csv",
                SampleSet(samples.sample_ids[chosen], samples.subject_ids[chosen], np.array(files)),
            )
            write_json(partial / HEADER, {"provenance": self.provenance("part").to_json()})
        progress(int(chosen.sum()), int(chosen.sum()))


def _first(samples: SampleSet, *, subjects: int, images: int) -> NDArray[np.bool_]:
    """Which samples are the first so many of the first so many subjects that have as many."""
    codes = samples.subject_codes()
    rich = np.flatnonzero(np.bincount(codes) >= images)[:subjects]
    if len(rich) < subjects:
        raise DataError(f"{len(rich)} subjects have {images} crops or more, not {subjects}")
    chosen: NDArray[np.bool_] = np.isin(codes, rich) & (samples.subject_places() < images)
    return chosen
