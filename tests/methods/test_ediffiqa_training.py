from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError, SettingsError
from fiqa.methods.ediffiqa_training import EDifFiqaObjective
from objectives import gradients, make_batch, make_facts


def cosine(first, second):
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


def by_loops(facts, embeddings, scores, rows, *, share):
    """The loss, centres from the highest targets of all samples, found by sorting them."""
    best = sorted(range(len(facts.codes)), key=lambda row: -facts.targets[row])[
        : round(share * len(facts.codes))
    ]
    costs = []
    for vector, score, row in zip(embeddings, scores, rows, strict=True):
        members = [other for other in best if facts.codes[other] == facts.codes[row]]
        centre = np.mean([facts.references[other] for other in members], axis=0)
        label = np.clip(facts.targets[row] - 0.5 * (1 - cosine(vector, centre)), 0, 1)
        drift = 1 - cosine(vector, facts.references[row])
        costs.append(0.5 * drift + 0.5 * abs(score - label))
    return np.mean(costs)


def test_the_loss_follows_the_formula(rng):
    facts = make_facts(rng, [7, 6, 8])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = EDifFiqaObjective(facts, share=0.5, least=1).double()
    expected = by_loops(facts, embeddings.detach().numpy(), scores.tolist(), rows.tolist(), share=0.5)
    assert objective(embeddings, scores, rows).item() == pytest.approx(expected, rel=1e-5)


def test_labels_are_corrected_by_hand(rng):
    facts = make_facts(rng, [4])
    references = np.tile(np.array([[1, 0, 0, 0, 0]], np.float32), (4, 1))
    facts = replace(facts, targets=np.array([0.9, 0.2, 1.0, 0.0], np.float32), references=references)
    objective = EDifFiqaObjective(facts, share=0.5, least=1)
    embeddings = 3 * torch.tensor([[1.0, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [0.6, 0.8, 0, 0, 0], [1, 0, 0, 0, 0]])
    found = objective.corrected(embeddings, torch.arange(4))
    np.testing.assert_allclose(found, [0.9, 0.0, 1 - 0.5 * 0.4, 0.0], atol=1e-6)


def test_subjects_with_too_few_good_images_are_left_out(rng):
    facts = make_facts(rng, [4, 4, 4])
    good = np.select([facts.codes == 0, facts.codes == 1], [0.9, 0.5], 0.1)
    facts = replace(facts, targets=(good + np.linspace(0, 0.01, 12)).astype(np.float32))
    assert set(facts.codes[EDifFiqaObjective(facts, share=0.5, least=2).rows]) == {0, 1}
    assert set(facts.codes[EDifFiqaObjective(facts, share=0.5, least=3).rows]) == {0}
    with pytest.raises(DataError, match="no subject has 10 images among the best 50% of all, at most 4"):
        EDifFiqaObjective(facts, share=0.5)


def test_the_correction_passes_no_gradient(rng):
    facts = make_facts(rng, [7, 6, 8])
    embeddings, scores, rows = make_batch(rng, facts)
    objective = EDifFiqaObjective(facts, share=0.5, least=1, theta=0.3).double()
    references = torch.from_numpy(facts.references)[rows].double()
    drift = 1 - torch.nn.functional.cosine_similarity(embeddings, references)
    expected = torch.autograd.grad(0.3 * drift.mean(), embeddings)[0]
    torch.testing.assert_close(gradients(objective, embeddings, scores, rows)[0], expected)
    assert torch.autograd.gradcheck(lambda q: objective(embeddings, q, rows), scores)


def test_references_of_another_length_are_refused(rng):
    facts = replace(make_facts(rng, [4, 4]), dimension=8)
    with pytest.raises(SettingsError, match="embeddings as long as those in training, 8, got 5"):
        EDifFiqaObjective(facts)
    with pytest.raises(SettingsError, match="theta must be"):
        EDifFiqaObjective(make_facts(rng, [4, 4]), theta=1.0)
