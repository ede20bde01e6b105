from __future__ import annotations

import numpy as np
import pytest
import torch

from fiqa.core.errors import DataError, SettingsError
from fiqa.core.protocols import InputSpec
from fiqa.core.types import FaceCrops
from fiqa.explain.gradient import gradient_map
from fiqa.methods import load_method
from networks import regressor_file, tiny_recogniser

SPEC = InputSpec(size=6, mean=100.0, std=4.0)


@pytest.fixture
def crop(rng):
    return FaceCrops(rng.integers(0, 256, (1, 6, 6, 3), dtype=np.uint8))


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_linear_score_has_its_weights_as_gradient(crop, noise, rng):
    weights = rng.normal(size=(3, 6, 6))
    found = gradient_map(
        lambda prepared: (prepared * torch.from_numpy(weights)).sum(dim=(1, 2, 3)),
        crop,
        spec=SPEC,
        samples=3,
        noise=noise,
    )
    np.testing.assert_allclose(found, np.abs(weights).sum(axis=0) / 4, rtol=1e-5)


def test_noise_is_averaged_before_the_magnitude(crop):
    """The slope of x squared is 2x: without noise that of the crop, with noise its mean over the copies."""
    square = lambda prepared: (prepared**2).sum(dim=(1, 2, 3))  # noqa: E731
    clean = SPEC.prepare(crop.images)[0].astype(float)
    np.testing.assert_allclose(
        gradient_map(square, crop, spec=SPEC, samples=1, noise=0.0),
        np.abs(2 * clean).sum(axis=0) / 4,
        rtol=1e-5,
    )
    drawn = np.random.default_rng(5).standard_normal((4, 3, 6, 6), dtype=np.float32)
    copies = clean + 0.2 * 255 / 4 * drawn
    np.testing.assert_allclose(
        gradient_map(square, crop, spec=SPEC, samples=4, noise=0.2, seed=5),
        np.abs(2 * copies.mean(axis=0)).sum(axis=0) / 4,
        rtol=1e-4,
    )


def test_one_seed_one_map(crop):
    def cubed(prepared):
        return (prepared**3).sum(dim=(1, 2, 3))

    maps = [gradient_map(cubed, crop, spec=SPEC, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert not np.array_equal(maps[0], maps[2])


@pytest.mark.parametrize("name", ["embedding_norm", "learned"])
def test_methods_with_a_network_offer_their_score_with_gradients(name, tmp_path, rng):
    recogniser = tiny_recogniser()
    checkpoint, _ = regressor_file(tmp_path, recogniser)
    method = load_method(name, recogniser, checkpoint=checkpoint)
    crops = FaceCrops(rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))
    values = method.score_tensor(recogniser.prepare(crops.images)).detach().numpy()
    np.testing.assert_allclose(values, method.score(crops), rtol=1e-5)
    one = crops.rows(slice(0, 1))
    found = gradient_map(method.score_tensor, one, spec=method.spec, samples=1, noise=0)
    step = np.zeros((1, 3, 16, 16), np.float32)
    y, x = np.unravel_index(found.argmax(), found.shape)
    slopes = []
    for channel in range(3):
        step[:] = 0
        step[0, channel, y, x] = 1e-2
        ends = [
            method.score_tensor(recogniser.prepare(one.images) + sign * torch.from_numpy(step)).item()
            for sign in (1, -1)
        ]
        slopes.append((ends[0] - ends[1]) / 2e-2 / method.spec.std)
    assert np.abs(slopes).sum() == pytest.approx(found.max(), rel=0.05)


def test_a_recogniser_that_is_not_in_torch_offers_none():
    class Plain:
        name, spec, dimension = "plain", SPEC, 2

        def embed(self, images):
            return np.ones((len(images), 2), np.float32)

    assert load_method("embedding_norm", Plain()).score_tensor is None


def test_bad_input_is_refused(crop):
    def total(prepared):
        return prepared.sum(dim=(1, 2, 3))

    with pytest.raises(SettingsError, match=r"noise must lie in \[0, 1\), got 1.5"):
        gradient_map(total, crop, spec=SPEC, noise=1.5)
    with pytest.raises(SettingsError, match="samples must be a whole number"):
        gradient_map(total, crop, spec=SPEC, samples=0)
    with pytest.raises(DataError, match="one crop, got 2"):
        gradient_map(total, FaceCrops(np.zeros((2, 6, 6, 3), np.uint8)), spec=SPEC)
