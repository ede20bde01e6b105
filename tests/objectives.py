"""Facts and batches for tests of objectives."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fiqa.models.objective import Facts, Objective


def make_facts(rng: np.random.Generator, sizes: list[int], dimension: int = 5) -> Facts:
    """Subjects of these sizes in mixed order, with targets in [0, 1] and unit references."""
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    references = rng.normal(size=(len(sizes), dimension))[codes] + rng.normal(size=(len(codes), dimension))
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    targets = rng.uniform(size=len(codes)).astype(np.float32)
    return Facts(codes, dimension, targets, references.astype(np.float32))


def make_batch(
    rng: np.random.Generator, facts: Facts, size: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings near the references, scores in (0, 1) and rows, in double precision with gradients."""
    rows = rng.permutation(len(facts.codes))[:size]
    assert facts.references is not None
    noisy = facts.references[rows] + 0.2 * rng.normal(size=(len(rows), facts.dimension))
    embeddings = torch.tensor(noisy * rng.uniform(5, 20, (len(rows), 1)), requires_grad=True)
    scores = torch.tensor(rng.uniform(0.1, 0.9, len(rows)), requires_grad=True)
    return embeddings, scores, torch.from_numpy(rows)


def gradients(
    objective: Objective, embeddings: Tensor, scores: Tensor, rows: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of the loss with regard to embeddings and scores; None where it does not depend on them."""
    loss = objective.double()(embeddings, scores, rows)
    first, second = torch.autograd.grad(loss, (embeddings, scores), allow_unused=True)
    return first, second
