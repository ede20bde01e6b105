from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from fiqa.core.errors import SettingsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.methods import faceqan
from fiqa.methods.faceqan import FaceQan
from fiqa.models.torch_recogniser import TorchRecogniser
from networks import SPEC, chain, tiny_recogniser


@pytest.fixture
def crops(rng):
    return FaceCrops(rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))


def faceqan_of(recogniser, image, *, noise, steps, epsilon, exponent, clamp=(-1.0, 1.0)):
    """Score of one crop, one copy at a time, pixels in [0, 1], the published loss on each round."""
    module = recogniser.module.double()

    def network(pixels):
        return module((pixels * 255 - SPEC.mean) / SPEC.std)

    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None] / 255.0)
    clean = network(pixels).detach()
    similarities = []
    for field in noise:
        copy = (pixels + torch.from_numpy(field)).clamp(*clamp)
        for _ in range(steps):
            copy = copy.detach().requires_grad_()
            similarity = cosine_similarity(clean, network(copy))
            similarities.append(similarity.item())
            (1 - similarity).mean().backward()
            copy = (copy + epsilon * copy.grad.sign()).clamp(*clamp)
    symmetry = cosine_similarity(clean, network(pixels.flip(3))).item()
    spread = np.clip(1 - np.std(similarities), 0, 1)
    module.float()
    return ((1 + np.mean(similarities)) / 2 * spread * symmetry) ** exponent


@pytest.mark.parametrize(("copies", "steps", "epsilon", "exponent"), [(3, 4, 0.02, 5), (2, 1, 0.1, 1)])
def test_scores_follow_the_published_formula(crops, copies, steps, epsilon, exponent):
    noise = np.random.default_rng(2).uniform(-epsilon, epsilon, (copies, 3, 16, 16))
    settings = {"steps": steps, "epsilon": epsilon, "exponent": exponent}
    recogniser = tiny_recogniser()
    expected = [faceqan_of(recogniser, image, noise=noise, **settings) for image in crops.images]
    method = FaceQan(recogniser, copies=copies, seed=2, **settings)
    np.testing.assert_allclose(method.score(crops), expected, rtol=1e-4)
    assert np.ptp(expected) > 0.01


def test_more_steps_lower_the_score(crops):
    scores = [
        FaceQan(tiny_recogniser(), copies=4, steps=steps, epsilon=0.02).score(crops) for steps in (1, 3, 8)
    ]
    assert (np.diff(scores, axis=0) < 0).all()


class Witness(nn.Module):
    """Passes its input on and remembers the extremes."""

    def __init__(self):
        super().__init__()
        self.lowest, self.highest = np.inf, -np.inf

    def forward(self, data):
        self.lowest, self.highest = min(self.lowest, data.min()), max(self.highest, data.max())
        return data


@pytest.mark.parametrize(("clamp", "lowest"), [((-1.0, 1.0), -0.2), ((0.0, 1.0), 0.0)])
def test_copies_stay_within_the_clamp(clamp, lowest):
    witness = Witness()
    module = chain(witness, nn.Flatten(), nn.Linear(192, 4))
    recogniser = TorchRecogniser("witness", InputSpec(size=8, std=255.0), module=module)
    extremes = np.repeat(np.array([0, 255], np.uint8), 8 * 8 * 3).reshape(2, 8, 8, 3)
    FaceQan(recogniser, copies=20, steps=2, epsilon=0.1, clamp=clamp).score(FaceCrops(extremes))
    assert float(witness.lowest) == pytest.approx(lowest, abs=0.01)
    assert float(witness.highest) == 1


def test_a_negative_base_keeps_its_sign_for_every_exponent():
    linear = nn.Linear(3 * 8 * 8, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.linspace(-1, 1, 8).repeat(24)[None])
    recogniser = TorchRecogniser("odd", InputSpec(size=8, std=255.0), module=chain(nn.Flatten(), linear))
    bright_right = np.zeros((1, 8, 8, 3), np.uint8)
    bright_right[:, :, 5:] = 200
    for exponent in (1, 2, 2.5):
        score = FaceQan(recogniser, copies=2, steps=2, exponent=exponent).score(FaceCrops(bright_right))
        assert score == pytest.approx(-1)


def test_noise_and_steps_are_in_pixels_whatever_a_channel_is_divided_by():
    """Two recognisers that are one function of the pixels; the second divides each channel by a number."""
    std, n_values = (50.0, 100.0, 200.0), 3 * 8 * 8
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain, divided = nn.Linear(n_values, 4), nn.Linear(n_values, 4)
    with torch.no_grad():
        divided.bias.copy_(plain.bias)
        divided.weight.copy_(plain.weight * torch.tensor(std).repeat_interleave(64) / 100)
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    scores = [
        FaceQan(
            TorchRecogniser("linear", InputSpec(size=8, mean=10, std=one), module=chain(nn.Flatten(), layer)),
            epsilon=0.05,
        ).score(FaceCrops(images))
        for one, layer in ((100.0, plain), (std, divided))
    ]
    np.testing.assert_allclose(*scores, rtol=1e-3)


def test_batches_do_not_matter(crops, monkeypatch):
    whole = FaceQan(tiny_recogniser(), copies=3).score(crops)
    monkeypatch.setattr(faceqan, "_BATCH", 2)
    monkeypatch.setattr(faceqan, "_ATTACKED_AT_ONCE", 4)
    np.testing.assert_allclose(FaceQan(tiny_recogniser(), copies=3).score(crops), whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"copies": 0}, "copies must be a whole number of at least 1, got 0"),
        ({"steps": 2.5}, "steps must be a whole number of at least 1, got 2.5"),
        ({"epsilon": 0}, "epsilon must be a number above 0"),
        ({"exponent": "5"}, "exponent must be a number above 0 and below inf, got '5'"),
        ({"clamp": (0.1, 1.0)}, r"clamp must be two numbers that enclose \[0, 1\], got \(0.1, 1.0\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        FaceQan(tiny_recogniser(), **settings)
