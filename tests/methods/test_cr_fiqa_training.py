from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fiqa.core.errors import SettingsError
from fiqa.methods.cr_fiqa_training import CrFiqaObjective
from objectives import gradients, make_batch, make_facts


def unit(vector):
    return vector / np.linalg.norm(vector)


def by_loops(facts, directions, embeddings, scores, rows, *, shift):
    """(mean cross entropy, mean smooth L1) from the formulas."""
    entropies, misfits = [], []
    for vector, score, row in zip(embeddings, scores, rows, strict=True):
        own = facts.codes[row]
        cosines = [float(unit(vector) @ unit(direction)) for direction in directions]
        logits = [64 * cosine for cosine in cosines]
        logits[own] = 64 * math.cos(math.acos(cosines[own]) + 0.5)
        top = max(logits)
        entropies.append(top + math.log(sum(math.exp(value - top) for value in logits)) - logits[own])
        nearest = max(cosine for code, cosine in enumerate(cosines) if code != own)
        error = abs(score - cosines[own] / (nearest + shift))
        misfits.append(error**2 if error < 0.5 else error - 0.25)
    return np.mean(entropies), np.mean(misfits)


@pytest.mark.parametrize(("denominator", "shift"), [("shifted", 1 + 1e-9), ("plain", 0.0)])
def test_the_loss_is_cross_entropy_and_ten_times_the_regression(rng, denominator, shift):
    facts = make_facts(rng, [4, 3, 2])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = CrFiqaObjective(facts, denominator=denominator).double()
    directions = objective.directions.detach().numpy()
    entropy, misfit = by_loops(
        facts, directions, embeddings.detach().numpy(), scores.tolist(), rows.tolist(), shift=shift
    )
    loss = objective(embeddings, scores, rows).item()
    assert loss == pytest.approx(entropy + 10 * misfit, rel=1e-6)


def test_the_nearest_other_class_may_lie_on_the_far_side(rng):
    objective = CrFiqaObjective(make_facts(rng, [2, 2, 2]))
    cosines = torch.tensor([[0.6, -0.5, -0.2]])
    assert objective.certainty(cosines, torch.tensor([0])).item() == pytest.approx(0.6 / 0.8)


def test_the_ratio_is_a_target_and_passes_no_gradient(rng):
    facts = make_facts(rng, [4, 3, 2])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = CrFiqaObjective(facts, weight=10.0).double()
    heavy = CrFiqaObjective(facts, weight=1e3).double()
    first, second = (gradients(each, embeddings, scores, rows) for each in (objective, heavy))
    torch.testing.assert_close(first[0], second[0])
    torch.testing.assert_close(100 * first[1], second[1])
    assert torch.autograd.gradcheck(lambda q: objective(embeddings, q, rows), scores)
    assert objective.directions.requires_grad


def test_without_the_regression_the_gradient_is_that_of_the_classification(rng):
    facts = make_facts(rng, [4, 3, 2])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = CrFiqaObjective(facts, weight=1e-12).double()
    assert torch.autograd.gradcheck(lambda e: objective(e, scores.detach(), rows), embeddings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 3.2}, "margin must be a number above 0 and below 3.14159"),
        ({"scale": 0}, "scale must be"),
        ({"denominator": "none"}, "denominator must be one of shifted, plain"),
    ],
)
def test_settings_out_of_range_are_refused(rng, options, message):
    with pytest.raises(SettingsError, match=message):
        CrFiqaObjective(make_facts(rng, [2, 2]), **options)
