"""What every objective of the table promises: these tests run over the table."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from fiqa.methods import METHODS, load_objective
from fiqa.models.objective import Facts, Objective
from objectives import gradients, make_batch, make_facts

TRAINABLE = [row for row in METHODS if row.trains]
SMALL = {"ediffiqa": {"least": 1, "share": 0.9}, "magface": {"shortest": 0.05}}


@pytest.fixture(params=TRAINABLE, ids=lambda row: row.name)
def name(request):
    return request.param.name


@pytest.fixture
def build(name):
    def make(facts: Facts) -> Objective:
        kind = load_objective(name)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return kind(facts, **SMALL.get(name, {}))

    return make


@pytest.fixture
def facts(rng):
    return make_facts(rng, [5, 4, 6])


def test_settings_are_keyword_arguments_with_published_defaults(name):
    _, facts, *settings = inspect.signature(load_objective(name).__init__).parameters.values()
    assert facts.name == "facts"
    assert settings
    for parameter in settings:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty


def test_the_loss_is_a_finite_scalar_that_teaches_scores(build, facts, rng):
    objective, batch = build(facts), make_batch(rng, facts)
    loss = objective.double()(*batch)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    by_scores = gradients(objective, *batch)[1]
    assert by_scores is not None
    assert by_scores.any()


def test_the_order_of_a_batch_does_not_matter(build, facts, rng):
    objective = build(facts).double()
    embeddings, scores, rows = make_batch(rng, facts)
    order = torch.from_numpy(rng.permutation(len(rows)))
    loss = objective(embeddings, scores, rows)
    torch.testing.assert_close(objective(embeddings[order], scores[order], rows[order]), loss)


def test_half_precision_references_do(build, facts, rng):
    half = build(replace(facts, references=facts.references.astype(np.float16)))
    embeddings, scores, rows = (column.detach() for column in make_batch(rng, facts))
    batch = (embeddings.float(), scores.float(), rows)
    torch.testing.assert_close(half(*batch), build(facts)(*batch), rtol=1e-2, atol=1e-3)


def test_facts_are_no_part_of_the_saved_state(build, facts):
    objective = build(facts)
    assert set(objective.state_dict()) == {name for name, _ in objective.named_parameters()}


def test_read_only_facts_are_left_unchanged(build, facts, rng):
    frozen = {}
    for name in ("codes", "targets", "references"):
        frozen[name] = getattr(facts, name).copy()
        frozen[name].flags.writeable = False
    objective = build(replace(facts, **frozen)).double()
    objective(*make_batch(rng, facts)).backward()
    for name, array in frozen.items():
        np.testing.assert_array_equal(array, getattr(facts, name))
