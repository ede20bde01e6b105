from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fiqa.core.errors import SettingsError
from fiqa.methods.lightqnet_training import LightQNetObjective
from fiqa.models.objective import Facts
from objectives import make_batch, make_facts


def by_loops(facts, scores, rows):
    costs = []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j and facts.codes[a] == facts.codes[b]:
                match = 1 / (1 + math.exp(-16 * (float(facts.references[a] @ facts.references[b]) - 0.4)))
                lower = min(scores[i], scores[j])
                costs.append(-match * math.log(lower) - (1 - match) * math.log(1 - lower))
    return np.mean(costs)


def test_the_loss_is_the_mean_cross_entropy_over_mated_pairs(rng):
    facts = make_facts(rng, [4, 1, 3, 2])
    embeddings, scores, rows = make_batch(rng, facts, 9)
    loss = LightQNetObjective(facts).double()(embeddings, scores, rows)
    assert loss.item() == pytest.approx(by_loops(facts, scores.tolist(), rows.tolist()), rel=1e-6)


def test_a_pair_at_the_threshold_is_matched_by_an_even_chance():
    references = np.array([[1.0, 0.0], [0.4, math.sqrt(1 - 0.16)]], np.float32)
    objective = LightQNetObjective(Facts(np.zeros(2, np.int64), 2, references=references))
    scores = torch.tensor([0.5, 0.9], requires_grad=True)
    loss = objective(torch.zeros(2, 2), scores, torch.tensor([0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)
    assert scores.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)


def test_gradients_are_those_of_the_loss(rng):
    facts = make_facts(rng, [4, 3])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = LightQNetObjective(facts).double()
    assert torch.autograd.gradcheck(lambda q: objective(embeddings, q, rows), scores)


@pytest.mark.parametrize(("option", "value"), [("slope", 0.0), ("threshold", 1.0)])
def test_settings_out_of_range_are_refused(rng, option, value):
    with pytest.raises(SettingsError, match=f"{option} must be a number above"):
        LightQNetObjective(make_facts(rng, [3]), **{option: value})
