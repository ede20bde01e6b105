"""A lesson: an objective together with the labels and embeddings that it is built from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import positions
from ..core.errors import SettingsError
from ..core.types import EmbeddingSet, QualityScores, SampleSet
from ..models.objective import Facts, Given, Objective
from ..models.regressor import Head
from ..models.torch_recogniser import TorchRecogniser
from .data import rows_to_learn, targets_of
from .losses import LabelRegression
from .settings import Loss, TrainSettings


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a regressor is taught by.

    Attributes:
        name: Of the objective, for the record.
        kind: The objective.
        labels: One label for each sample or more.
        embeddings: By a frozen recogniser, one for each sample or more.
        options: Keyword arguments of the objective.
        validation: Ids of the samples to validate on; None draws a share of subjects or samples.
    """

    name: str
    kind: type[Objective]
    labels: QualityScores | None = None
    embeddings: EmbeddingSet | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    validation: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        given: dict[Given, object] = {"labels": self.labels, "embeddings": self.embeddings}
        for name, value in given.items():
            if value is None and name in self.kind.needs:
                raise SettingsError(f"objective {self.name} needs {name}; give --{name}")
            if value is not None and name not in (*self.kind.needs, *self.kind.takes):
                raise SettingsError(f"objective {self.name} does not use {name}; leave --{name} out")

    def head(self, asked: Head | None) -> Head:
        """The head asked for, or the objective's own.

        Raises:
            SettingsError: If the objective cannot train it.
        """
        heads = self.kind.heads
        if asked is not None and asked not in heads:
            raise SettingsError(f"objective {self.name} trains a head {' or '.join(heads)}, got {asked!r}")
        return asked or heads[0]

    def facts(
        self, samples: SampleSet, *, recogniser: TorchRecogniser, settings: TrainSettings
    ) -> tuple[NDArray[np.int64], Facts]:
        """Rows (m,) of the samples to learn from, and what is known of them.

        Raises:
            DataError: If a sample has no label or embedding, or one to validate on is not there, and the
                settings do not skip such; if labels are constant.
            SettingsError: If the embeddings are by another recogniser than an objective must have.
        """
        labels, embeddings = self.labels, self.embeddings
        if embeddings and self.kind.own_embeddings and embeddings.recogniser != recogniser.name:
            raise SettingsError(
                f"objective {self.name} needs embeddings by {recogniser.name}, the recogniser in training, "
                f"got those by {embeddings.recogniser}"
            )
        if self.validation is not None and settings.unlabelled == "refuse":
            positions(self.validation, samples.sample_ids, what="crops to validate on")
        given = [item for item in (labels, embeddings) if item is not None]
        rows = rows_to_learn(given, samples, unlabelled=settings.unlabelled)
        learnt = samples.at(samples.sample_ids[rows])
        return rows, Facts(
            learnt.subject_codes(),
            recogniser.dimension,
            None if labels is None else targets_of(labels, learnt, scaling=settings.targets),
            None if embeddings is None else embeddings.at(learnt.sample_ids).vectors,
        )

    def digests(self, sample_ids: NDArray[np.str_]) -> dict[str, str]:
        """SHA-256 of the labels and embeddings of these samples, and of the ids to validate on, by name."""
        found: dict[str, NDArray[Any]] = {}
        if self.labels is not None:
            found["labels"] = self.labels.at(sample_ids)
        if self.embeddings is not None:
            found["embeddings"] = self.embeddings.at(sample_ids).vectors
        if self.validation is not None:
            found["validation"] = np.unique(self.validation)
        return {
            name: hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
            for name, values in found.items()
        }


def label_lesson(labels: QualityScores, *, loss: Loss, validation: NDArray[np.str_] | None = None) -> Lesson:
    """Learn to output labels."""
    return Lesson("labels", LabelRegression, labels=labels, options={"loss": loss}, validation=validation)
