from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError
from fiqa.methods.magface_training import MagFaceObjective
from fiqa.methods.margin import with_margin
from fiqa.models.objective import Facts
from objectives import make_facts


def test_the_margin_widens_the_own_angle_alone():
    angles = torch.tensor([[0.3, 1.2], [1.0, 2.9]], dtype=torch.float64)
    found = with_margin(angles.cos(), torch.tensor([0, 1]), torch.tensor(0.5).double())
    expected = [[math.cos(0.8), math.cos(1.2)], [math.cos(1.0), math.cos(3.4)]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_easy_margin_spares_angles_of_ninety_degrees_and_more():
    cosines = torch.tensor([[0.2, 0.0], [-0.3, 0.0], [0.0, 0.0]], dtype=torch.float64)
    found = with_margin(cosines, torch.zeros(3, dtype=torch.int64), torch.full((3,), 0.5).double(), easy=True)
    np.testing.assert_allclose(found[:, 0], [math.cos(math.acos(0.2) + 0.5), -0.3, 0.0], rtol=1e-12)


def test_the_gradient_stays_finite_at_the_class_direction():
    cosines = torch.tensor([[1.0, -1.0]], requires_grad=True)
    with_margin(cosines, torch.tensor([0]), torch.tensor(0.5)).sum().backward()
    assert torch.isfinite(cosines.grad).all()


def test_directions_start_at_the_subjects_mean_embeddings_or_at_random(rng):
    facts = make_facts(rng, [3, 4])
    start = MagFaceObjective(facts).directions.detach().numpy()
    means = np.stack([facts.references[facts.codes == code].mean(axis=0) for code in (0, 1)])
    np.testing.assert_allclose(start, means / np.linalg.norm(means, axis=1, keepdims=True), rtol=1e-5)
    alone = [MagFaceObjective(Facts(facts.codes, 5)).directions.detach() for _ in range(2)]
    assert not torch.equal(*alone)
    np.testing.assert_allclose(alone[0].norm(dim=1), 1, rtol=1e-5)


def test_one_subject_makes_no_classes(rng):
    with pytest.raises(DataError, match="needs 2 subjects or more, got 1"):
        MagFaceObjective(make_facts(rng, [3]))
