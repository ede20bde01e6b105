from __future__ import annotations

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError, SettingsError
from fiqa.methods.pcnet_training import PcNetObjective
from objectives import gradients, make_batch, make_facts


def by_loops(facts, scores, rows, *, scaling):
    """Mean over ordered mated pairs, as the formula says."""
    costs = []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if i != j and facts.codes[a] == facts.codes[b]:
                cosine = float(facts.references[a] @ facts.references[b])
                similarity = (1 + cosine) / 2 if scaling == "unit" else cosine
                costs.append((similarity - min(scores[i], scores[j])) ** 2)
    return np.mean(costs)


@pytest.mark.parametrize("scaling", ["unit", "raw"])
def test_the_loss_is_the_mean_over_ordered_mated_pairs(rng, scaling):
    facts = make_facts(rng, [4, 1, 3, 2])
    embeddings, scores, rows = make_batch(rng, facts, 9)
    loss = PcNetObjective(facts, scaling=scaling).double()(embeddings, scores, rows)
    expected = by_loops(facts, scores.tolist(), rows.tolist(), scaling=scaling)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_the_minimum_is_that_of_the_pair_not_of_a_column_with_itself(rng):
    facts = make_facts(rng, [6])
    _, scores, rows = make_batch(rng, facts)
    loss = PcNetObjective(facts, scaling="raw").double()(torch.zeros(6, 5), scores, rows).item()
    references = torch.from_numpy(facts.references)[rows].double()
    cosines, others = references @ references.T, ~torch.eye(6, dtype=torch.bool)
    degenerate = torch.minimum(scores[:, None], scores[:, None])  # without the transpose: q_i for all j
    assert loss != pytest.approx((cosines - degenerate)[others].square().mean().item(), rel=0.05)
    pairs = torch.minimum(scores[:, None], scores[None, :])
    assert loss == pytest.approx((cosines - pairs)[others].square().mean().item(), rel=1e-6)


def test_only_the_lower_score_of_a_pair_is_pulled(rng):
    facts = make_facts(rng, [2])
    scores = torch.tensor([0.2, 0.7], requires_grad=True)
    PcNetObjective(facts)(torch.zeros(2, 5), scores, torch.tensor([0, 1])).backward()
    similarity = (1 + float(facts.references[0] @ facts.references[1])) / 2
    assert scores.grad.tolist() == pytest.approx([2 * (0.2 - similarity), 0.0], rel=1e-5)


def test_gradients_are_those_of_the_loss_and_leave_embeddings_alone(rng):
    facts = make_facts(rng, [4, 3])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = PcNetObjective(facts).double()
    assert torch.autograd.gradcheck(lambda q: objective(embeddings, q, rows), scores)
    assert gradients(objective, embeddings, scores, rows)[0] is None


def test_a_batch_without_a_mated_pair_costs_nothing_and_can_be_learnt_from(rng):
    facts = make_facts(rng, [2, 2])
    rows = torch.from_numpy(np.unique(facts.codes, return_index=True)[1])
    scores = torch.tensor([0.3, 0.4], requires_grad=True)
    loss = PcNetObjective(facts)(torch.zeros(2, 5), scores, rows)
    loss.backward()
    assert loss.item() == 0
    assert not scores.grad.any()


def test_subjects_of_one_sample_are_left_out(rng):
    facts = make_facts(rng, [3, 1, 2, 1])
    assert sorted(facts.codes[PcNetObjective(facts).rows]) == [0, 0, 0, 2, 2]
    with pytest.raises(DataError, match="needs a subject with at least two samples"):
        PcNetObjective(make_facts(rng, [1, 1]))


def test_settings_out_of_range_are_refused(rng):
    facts = make_facts(rng, [3, 3])
    with pytest.raises(
        SettingsError, match="samples_per_subject must be a whole number of at least 2, got 1"
    ):
        PcNetObjective(facts, samples_per_subject=1)
    with pytest.raises(SettingsError, match="scaling must be one of unit, raw"):
        PcNetObjective(facts, scaling="log")
