"""Stage optimize: labels improved by what mated comparisons say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import SettingsError
from ..core.protocols import Progress
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from .degradation import degradation_behind
from .settings import PresetStage, setting

if TYPE_CHECKING:
    from ..optimize.labels import OptimizeResult
    from ..optimize.settings import OptimizeSettings


@dataclass(frozen=True, kw_only=True)
class Optimize(PresetStage):
    """Move labels towards what mated comparisons say, keeping the set of values.

    Start from a preset, then change single settings: `published` is the sampled algorithm of Babnik et al.
    (IWBF 2023), `recommended` what held best on unseen subjects and recognisers. Several --embeddings
    average over recognisers. --from-pickles takes and gives files in the layout of the published code.
    """

    name: ClassVar[str] = "optimize"
    scores: Path | None = setting(None, help="Scores file with the base labels.", argument=True)
    embeddings: tuple[Path, ...] = setting((), help="Folder written by `fiqa embed`; may be repeated.")
    from_pickles: tuple[Path, Path, Path] | None = setting(
        None, help="Published pickles: embeddings, qualities, clusters."
    )
    preset: Literal["published", "recommended"] = setting("published", help="published or recommended.")
    mode: Literal["sampled", "expected"] | None = setting(
        None, help="sampled (drawn pairs) or expected (exact)."
    )
    clusters: int | None = setting(None, help="Clusters a subject.")
    repetitions: int | None = setting(None, help="Draws to average (sampled).")
    epsilon: float | None = setting(None, help="Step in (0, 1].")
    pair_rank_unit: Literal["published", "normalised"] | None = setting(
        None, help="Ranks of pairs as published or normalised to those of images."
    )
    rounds: int | None = setting(None, help="Rounds of feedback.")
    origin: Literal["base", "previous"] | None = setting(None, help="Where each round starts from.")
    credit_width: float | None = setting(None, help="Width of soft credit; 0 is hard credit.")
    shrinkage: float | None = setting(None, help="Pairs that the base rank is worth.")
    margin: float | None = setting(None, help="Standard errors a rank must be off before it moves.")
    unlabelled: Literal["refuse", "skip"] = setting(
        "refuse", help="Embedded samples without a label: refuse or skip."
    )
    seed: int = setting(0, help="Seed of clusters and draws.")
    executor: Literal["local", "ray"] = setting("local", help="local threads or a Ray cluster.")
    diagnostics: Path | None = setting(None, help="JSON file of diagnostics to write.", written=True)

    def run(self, progress: Progress) -> None:
        """Write the optimised labels and, where asked for, the diagnostics."""
        if (self.from_pickles is None) == (self.scores is None):
            raise SettingsError("give either a scores file with --embeddings, or --from-pickles")
        result = self._from_pickles(progress) if self.from_pickles else self._from_files(progress)
        if self.diagnostics:
            from ..io.store import write_json

            write_json(self.diagnostics, result.diagnostics.as_dict())

    def resolved(self) -> OptimizeSettings:
        """The preset with every setting given here in its place."""
        from ..optimize.settings import PRESETS

        return self.over(PRESETS[self.preset])

    def degradation(self) -> str | None:
        """That of the images that the base labels are of."""
        return degradation_behind(self.scores)

    def _from_files(self, progress: Progress) -> OptimizeResult:
        from ..io.store import SAMPLES, read_embeddings, read_samples, read_scores, write_scores

        if self.scores is None or not self.embeddings:
            raise SettingsError("optimisation needs --embeddings, a folder written by `fiqa embed`")
        scores, samples = read_scores(self.scores), read_samples(self.embeddings[0] / SAMPLES)
        if self.unlabelled == "skip":
            samples = samples.at(samples.sample_ids[np.isin(samples.sample_ids, scores.sample_ids)])
        embeddings = [read_embeddings(folder) for folder in self.embeddings]
        result = self._optimize(scores, embeddings, samples=samples, progress=progress)
        write_scores(self.output, result.scores, provenance=self.provenance("scores"))
        return result

    def _from_pickles(self, progress: Progress) -> OptimizeResult:
        from ..io.legacy import (
            read_pickled_clusters,
            read_pickled_embeddings,
            read_pickled_scores,
            write_pickle,
        )

        assert self.from_pickles is not None
        vectors, qualities, clusters = self.from_pickles
        sample_ids, subject_ids, numbers = read_pickled_clusters(clusters)
        result = self._optimize(
            read_pickled_scores(qualities),
            [read_pickled_embeddings(vectors, recogniser=vectors.stem)],
            samples=SampleSet(sample_ids, subject_ids),
            clusters=numbers,
            progress=progress,
        )
        labels = zip(result.scores.sample_ids.tolist(), result.scores.values.tolist(), strict=True)
        write_pickle(self.output, dict(labels))
        return result

    def _optimize(
        self,
        scores: QualityScores,
        embeddings: list[EmbeddingSet],
        *,
        samples: SampleSet,
        progress: Progress,
        clusters: NDArray[np.int64] | None = None,
    ) -> OptimizeResult:
        from ..optimize.labels import optimize
        from .execute import executor

        more: dict[str, Any] = {} if clusters is None else {"clusters": clusters}
        with executor(self.executor) as execute:
            return optimize(
                scores,
                embeddings,
                samples=samples,
                settings=self.resolved(),
                execute=execute,
                progress=progress,
                **more,
            )
