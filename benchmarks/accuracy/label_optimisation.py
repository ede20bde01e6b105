"""Which label optimisation holds on unseen subjects and unseen recognisers?

Labels are made and optimised on one data set; a ridge regressor on frozen SFace features (pooled activations
below the last block, and the embedding) learns their ranks and scores the other data set, where the
error-versus-discard area is taken with three recognisers. SFace, or SFace and ArcFace-MBF together,
rank the pairs; dlib's network is seen by neither labels nor features.

    python -m benchmarks.accuracy.label_optimisation STUDY

STUDY is the folder that `fiqa run configs/real-faces.toml` wrote.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.machine import write_results
from numpy.typing import NDArray

from fiqa.comparisons.clustering import cluster_subjects
from fiqa.comparisons.compare import compare
from fiqa.comparisons.vectors import UnitVectors
from fiqa.core.arrays import mean_ranks
from fiqa.core.types import ComparisonScores, EmbeddingSet, QualityScores, SampleSet
from fiqa.evaluate.conventions import ISO
from fiqa.evaluate.edc import edc
from fiqa.evaluate.evaluation import hold_threshold
from fiqa.evaluate.pauc import Measure
from fiqa.io.crops import CropFolder
from fiqa.io.store import read_embeddings
from fiqa.methods import load_label_source
from fiqa.models.recognisers import load_torch_recogniser
from fiqa.models.regressor import Regressor
from fiqa.optimize.labels import optimize
from fiqa.optimize.settings import PRESETS, OptimizeSettings
from fiqa.pipeline.benchmarks import open_benchmark
from fiqa.train.features import cached_features
from fiqa.train.groups import last_block_cut

RECOGNISERS = ("sface", "arcface_mbf", "dlib_resnet")
BASES = ("random_labels", "embedding_norm", "sdd_fiqa", "cr_fiqa")
PAUC, AUC = Measure("normalised", 0.3), Measure("raw", 0.95)


@dataclass(frozen=True, eq=False)
class FaceSet:
    """One data set: samples that all recognisers could embed, their embeddings and frozen features."""

    samples: SampleSet
    embeddings: dict[str, EmbeddingSet]
    features: NDArray[np.float32]
    held: dict[str, tuple[float | None, ComparisonScores]]
    """The threshold at FMR 1e-3 and the mated comparisons, by recogniser."""


def open_set(study: Path, name: str, *, per_subject: int) -> FaceSet:
    crops = CropFolder.open(study / name / "crops-arcface")
    embeddings = {item: read_embeddings(study / name / item) for item in RECOGNISERS}
    common = crops.samples.sample_ids
    for item in embeddings.values():
        common = common[np.isin(common, item.sample_ids)]
    samples = crops.samples.at(common)
    embeddings = {key: item.at(common) for key, item in embeddings.items()}
    pairs = open_benchmark(f"all:{per_subject}", samples, non_mated=1_000_000, seed=5).pairs
    rows = np.flatnonzero(np.isin(crops.samples.sample_ids, common))
    raw = embeddings["sface"]
    pooled = pool(crops, study / "features", rows)
    return FaceSet(
        samples,
        embeddings,
        np.hstack([pooled, np.asarray(raw.vectors) * raw.norms[:, None], raw.norms[:, None]]),
        {key: hold_threshold(compare(item, pairs), ISO, fmr=1e-3) for key, item in embeddings.items()},
    )


def pool(crops: CropFolder, folder: Path, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean and deviation over positions of the activations below SFace's last block."""
    recogniser = load_torch_recogniser("sface")
    lower, _ = Regressor(copy.deepcopy(recogniser.module), recogniser.dimension).split(
        last_block_cut(recogniser.module)
    )
    maps = cached_features(crops, lower, spec=recogniser.spec, cache=folder)
    blocks = []
    for start in range(0, len(rows), 512):
        block = np.asarray(maps[rows[start : start + 512]], np.float32)
        block = block.reshape(len(block), block.shape[1], -1)
        blocks.append(np.hstack([block.mean(axis=2), block.std(axis=2)]))
    return np.concatenate(blocks)


class Ridge:
    """Ridge regression on standardised features for many targets: one eigenvalue decomposition."""

    def __init__(self, features: NDArray[np.float32], *, strength: float = 0.03) -> None:
        self.mean, self.scale = features.mean(axis=0), features.std(axis=0) + 1e-6
        x = self._standard(features)
        gram = x.T @ x / len(x)
        self.solve = np.linalg.inv(gram + strength * np.eye(gram.shape[0])) @ x.T / len(x)

    def _standard(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return ((features - self.mean) / self.scale).astype(np.float64)

    def predict(self, ranks: NDArray[np.float64], features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._standard(features) @ (self.solve @ (ranks - ranks.mean()))


def variants() -> dict[str, OptimizeSettings | None]:
    """Rows of the table: None is the base."""
    hard = OptimizeSettings(mode="expected", pair_rank_unit="normalised", epsilon=0.3)
    soft = replace(hard, credit_width=0.05)
    rows: dict[str, OptimizeSettings | None] = {"base": None, "published": PRESETS["published"]}
    rows["published, closed form"] = replace(PRESETS["published"], mode="expected")
    for epsilon in (0.02, 0.1, 0.3, 0.6):
        rows[f"hard e={epsilon} r=1"] = replace(hard, epsilon=epsilon)
        rows[f"soft e={epsilon} r=1"] = replace(soft, epsilon=epsilon)
    rows["hard e=0.3 r=5"] = replace(hard, rounds=5)
    for rounds in (2, 3, 5, 10):
        rows[f"soft e=0.3 r={rounds}"] = replace(soft, rounds=rounds)
    for width in (0.02, 0.2):
        rows[f"soft w={width} e=0.3 r=3"] = replace(soft, rounds=3, credit_width=width)
    for epsilon in (0.3, 0.6):
        rows[f"soft e={epsilon} r=5 from base"] = replace(soft, epsilon=epsilon, rounds=5, origin="base")
    for shrinkage in (2.0, 10.0):
        rows[f"soft e=0.6 r=3 shrinkage={shrinkage}"] = replace(
            soft, epsilon=0.6, rounds=3, shrinkage=shrinkage
        )
    for margin in (1.0, 2.0):
        rows[f"soft e=0.6 r=3 margin={margin}"] = replace(soft, epsilon=0.6, rounds=3, margin=margin)
    rows["recommended"] = PRESETS["recommended"]
    return rows


def evaluate(face_set: FaceSet, values: NDArray[np.float64]) -> dict[str, float]:
    quality = QualityScores(face_set.samples.sample_ids, values, "x")
    found = {}
    for name, (threshold, comparisons) in face_set.held.items():
        curve = edc(comparisons, quality, threshold=threshold)
        found[f"{name} npauc0.3"] = round(PAUC.of(curve), 4)
        found[f"{name} auc0.95e3"] = round(1000 * AUC.of(curve), 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results" / "label_optimisation.csv"
    )
    arguments = parser.parse_args()
    sets = {
        "cfp": open_set(arguments.study, "cfp", per_subject=14),
        "lfw": open_set(arguments.study, "lfw", per_subject=10),
    }
    rows = []
    for train, test in (("cfp", "lfw"), ("lfw", "cfp")):
        source, target = sets[train], sets[test]
        codes = source.samples.subject_codes()
        vectors = UnitVectors(source.embeddings["sface"].vectors)
        clusters = cluster_subjects(vectors, codes, clusters=20, seed=0).codes
        for base in BASES:
            labels = load_label_source(base).labels(
                source.embeddings["sface"], source.samples, np.random.default_rng(0)
            )
            labelled_rows = np.flatnonzero(np.isin(source.samples.sample_ids, labels.sample_ids))
            labelled = source.samples.at(source.samples.sample_ids[labelled_rows])
            ridge = Ridge(source.features[labelled_rows])
            for recognisers in (("sface",), ("sface", "arcface_mbf")):
                for variant, settings in variants().items():
                    if len(recognisers) > 1 and settings is None:
                        continue
                    chosen = labels
                    if settings is not None:
                        chosen = optimize(
                            labels,
                            [source.embeddings[name] for name in recognisers],
                            samples=labelled,
                            settings=settings,
                            clusters=clusters[labelled_rows],
                        ).scores
                    ranks = mean_ranks(chosen.at(labelled.sample_ids)) / len(labelled)
                    row = {
                        "train": train,
                        "test": test,
                        "base": base,
                        "pair_recognisers": "+".join(recognisers),
                        "variant": variant,
                        **evaluate(target, ridge.predict(ranks, target.features)),
                    }
                    rows.append(row)
                    print(*row.values(), flush=True)
    write_results(arguments.output, rows)


if __name__ == "__main__":
    main()
