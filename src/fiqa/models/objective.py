"""Objectives: what a training minimises, built once from what is known of its samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .regressor import Head

Given = Literal["labels", "embeddings"]


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of the n samples to learn from, in one order.

    Attributes:
        codes: (n,) subject of each as 0..n_subjects-1, each of them in use.
        dimension: Length of the embedding under the head.
        targets: (n,) float32 labels, scaled as the settings say; None without labels.
        references: (n, d) unit embeddings by a recogniser that is not trained; None without embeddings.
    """

    codes: NDArray[np.int64]
    dimension: int
    targets: NDArray[np.float32] | None = None
    references: NDArray[np.floating] | None = None


class Objective(nn.Module, ABC):
    """Base of all objectives: facts of samples are buffers, what is learnt beside the regressor parameters.

    Subclasses take the facts and then keyword arguments that users may set.

    Attributes:
        needs: What it cannot do without.
        takes: What it uses beyond that if given.
        own_embeddings: Whether embeddings must come from the recogniser that is trained.
        heads: Heads that it can train, its own first.
        apart: What training and validation do not share: ``"subjects"``, or ``"samples"`` alone where
            subjects are classes that are learnt.
        samples_per_subject: Samples of a subject that a batch draws together; 1 draws samples whoever they
            show.
        rows: Rows of the facts that can be learnt from.
    """

    needs: ClassVar[tuple[Given, ...]] = ()
    takes: ClassVar[tuple[Given, ...]] = ()
    own_embeddings: ClassVar[bool] = False
    heads: ClassVar[tuple[Head, ...]] = ("linear", "mlp", "sigmoid")
    apart: ClassVar[Literal["subjects", "samples"]] = "subjects"
    samples_per_subject: int = 1

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.rows: NDArray[np.int64] = np.arange(len(facts.codes))

    @abstractmethod
    def forward(self, embeddings: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            embeddings: (k, d) float32 raw embeddings by the network in training.
            scores: (k,) its quality scores.
            rows: (k,) int64 rows of the facts.
        """

    def keep(self, name: str, values: NDArray[Any]) -> None:
        """Hold a fact of each sample as a buffer that is not part of the saved state."""
        self.register_buffer(name, torch.from_numpy(np.array(values)), persistent=False)
