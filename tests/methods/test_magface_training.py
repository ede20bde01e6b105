from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fiqa.core.errors import SettingsError
from fiqa.methods.magface_training import MagFaceObjective
from objectives import make_batch, make_facts


def by_loops(facts, directions, embeddings, rows):
    costs = []
    for vector, row in zip(embeddings, rows, strict=True):
        own, length = facts.codes[row], min(max(np.linalg.norm(vector), 10), 110)
        cosines = [vector @ d / np.linalg.norm(vector) / np.linalg.norm(d) for d in directions]
        margin = 0.45 + 0.35 * (length - 10) / 100
        logits = [64 * cosine for cosine in cosines]
        if cosines[own] > 0:
            logits[own] = 64 * math.cos(math.acos(cosines[own]) + margin)
        top = max(logits)
        entropy = top + math.log(sum(math.exp(value - top) for value in logits)) - logits[own]
        costs.append(entropy + 35 * (length / 110**2 + 1 / length))
    return np.mean(costs)


def test_the_loss_follows_the_formula_inside_and_outside_the_bounds(rng):
    facts = make_facts(rng, [4, 3, 2])
    embeddings, _, rows = make_batch(rng, facts)
    embeddings = embeddings.detach() * torch.linspace(0.2, 12, len(rows))[:, None]
    lengths = embeddings.norm(dim=1)
    assert lengths.min() < 10 < 110 < lengths.max()
    objective = MagFaceObjective(facts).double()
    expected = by_loops(facts, objective.directions.detach().numpy(), embeddings.numpy(), rows.tolist())
    assert objective(embeddings, lengths, rows).item() == pytest.approx(expected, rel=1e-6)


def test_values_at_the_bounds_by_hand(rng):
    objective = MagFaceObjective(make_facts(rng, [2, 2]))
    ends = torch.tensor([10.0, 60.0, 110.0], dtype=torch.float64, requires_grad=True)
    np.testing.assert_allclose(objective.margin(ends.detach()), [0.45, 0.625, 0.8], rtol=1e-12)
    regulariser = objective.regulariser(ends)
    expected = [10 / 12100 + 0.1, 60 / 12100 + 1 / 60, 2 / 110]
    np.testing.assert_allclose(regulariser.detach(), expected, rtol=1e-12)
    regulariser.sum().backward()
    np.testing.assert_allclose(ends.grad, [1 / 12100 - 0.01, 1 / 12100 - 1 / 3600, 0], atol=1e-15)


def test_the_published_weight_is_above_its_lower_bound(rng):
    facts = make_facts(rng, [2, 2])
    assert MagFaceObjective(facts).least_weight() == pytest.approx(64 * 0.0035 * 12100 * 100 / 12000)
    with pytest.raises(SettingsError, match=r"weight 22 is below 22.59, the least .* between 10 and 110"):
        MagFaceObjective(facts, weight=22)


def test_gradients_are_those_of_the_loss_through_length_and_direction(rng):
    facts = make_facts(rng, [4, 3])
    embeddings, _, rows = make_batch(rng, facts)
    objective = MagFaceObjective(facts, shortest=2, longest=90).double()
    assert torch.autograd.gradcheck(lambda e: objective(e, e.norm(dim=1), rows), embeddings)


def test_no_gradient_of_length_passes_outside_the_bounds(rng):
    facts = make_facts(rng, [2, 2])
    embeddings, _, rows = make_batch(rng, facts)
    lengths = torch.tensor([2.0, 50.0, 200.0, 9.0], dtype=torch.float64, requires_grad=True)
    MagFaceObjective(facts).double()(embeddings, lengths, rows).backward()
    assert (lengths.grad != 0).tolist() == [False, True, False, False]


def test_bounds_and_margins_must_rise(rng):
    facts = make_facts(rng, [2, 2])
    with pytest.raises(SettingsError, match="longest must be a number above 10"):
        MagFaceObjective(facts, longest=9.0)
    with pytest.raises(SettingsError, match=r"greatest_margin must be a number above 0.45 and below 3.1"):
        MagFaceObjective(facts, greatest_margin=0.4)
