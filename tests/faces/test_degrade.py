from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.faces.degrade import DEGRADATIONS, degradation_digest, degrade, draw_degradation
from fiqa.io.samples import find_images

KINDS = DEGRADATIONS.names[1:]


@pytest.fixture(scope="module")
def crop():
    """Shapes of several sizes under soft light, bright enough to lose something to darkness."""
    field = np.random.default_rng(1).normal(size=(112, 112, 3))
    layers = sum(cv2.GaussianBlur(field, (0, 0), sigma) * sigma for sigma in (0.7, 2, 5))
    return (140 + 40 * layers / layers.std()).clip(0, 255).astype(np.uint8)


def degraded(crop, kind, severity, seed=0):
    return degrade(crop, kind, severity=severity, rng=np.random.default_rng(seed))


def loss(crop, other):
    return float(((crop.astype(float) - other) ** 2).mean())


@pytest.mark.parametrize("kind", DEGRADATIONS.names)
def test_severity_0_leaves_the_crop_and_never_writes_into_it(crop, kind):
    before = crop.copy()
    result = degraded(crop, kind, 0.0)
    np.testing.assert_array_equal(result, crop)
    assert not np.shares_memory(result, crop)
    degraded(crop, kind, 1.0)
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize("kind", KINDS)
def test_more_severity_harms_more(crop, kind):
    losses = [loss(crop, degraded(crop, kind, severity)) for severity in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    assert all(np.diff(losses) > 0), losses
    assert losses[-1] > 300


@pytest.mark.parametrize("kind", DEGRADATIONS.names)
@pytest.mark.parametrize("shape", [(112, 112), (150, 150), (20, 33)])
def test_form_is_kept_at_every_size(kind, shape, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    for severity in (1e-6, 0.5, 1.0):
        result = degrade(image, kind, severity=severity, rng=rng)
        assert result.shape == image.shape
        assert result.dtype == np.uint8
        assert result.flags.c_contiguous


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_crop(crop, kind):
    np.testing.assert_array_equal(degraded(crop, kind, 0.5, seed=4), degraded(crop, kind, 0.5, seed=4))
    differs = not np.array_equal(degraded(crop, kind, 0.5, seed=4), degraded(crop, kind, 0.5, seed=5))
    assert differs == (kind in ("noise", "occlusion"))


def test_darkness_by_hand():
    assert degraded(np.full((4, 4, 3), 160, np.uint8), "darkness", 0.4)[0, 0, 0] == 40
    assert degraded(np.full((4, 4, 3), 160, np.uint8), "darkness", 1.0)[0, 0, 0] == 5


def test_occlusion_covers_half_of_its_severity():
    image = np.full((112, 112, 3), 255, np.uint8)
    for seed in range(20):
        covered = (degraded(image, "occlusion", 0.8, seed) != 255).any(axis=2)
        assert covered.mean() == pytest.approx(0.4, abs=0.02)
        rows, columns = covered.any(axis=1).sum(), covered.any(axis=0).sum()
        assert rows * columns == covered.sum()
        assert 0.48 < rows / columns < 2.1


def test_noise_has_the_stated_strength():
    image = np.full((112, 112, 3), 128, np.uint8)
    residue = degraded(image, "noise", 0.3).astype(float) - 128
    assert residue.std() == pytest.approx(21, rel=0.02)
    assert residue.mean() == pytest.approx(0, abs=0.5)


def test_blur_keeps_colours_in_place(crop):
    red = crop.copy()
    red[..., 1:] = 0
    for kind in ("blur", "down_up", "jpeg"):
        channels = degraded(red, kind, 0.3).reshape(-1, 3).mean(axis=0)
        assert channels[0] > 100 > 30 > channels[1:].max()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"kind": "blurr"}, SettingsError, "no degradation is named 'blurr'; did you mean blur"),
        ({"severity": 1.1}, SettingsError, r"severity must be in \[0, 1\], got 1\.1"),
        ({"severity": float("nan")}, SettingsError, "severity must be"),
        ({"image": np.zeros((8, 8, 3))}, DataError, "expected a uint8 RGB crop"),
        ({"image": np.zeros((8, 8), np.uint8)}, DataError, r"got uint8 of shape \(8, 8\)"),
    ],
)
def test_bad_settings_are_refused(settings, error, message, rng):
    given = {"image": np.zeros((8, 8, 3), np.uint8), "kind": "blur", "severity": 0.5, **settings}
    with pytest.raises(error, match=message):
        degrade(given["image"], given["kind"], severity=given["severity"], rng=rng)


def draws(count, **settings):
    return [draw_degradation(f"s{row}", **{"seed": 0, **settings}) for row in range(count)]


def test_drawn_degradations():
    found = draws(6000, share=0.6)
    kinds, severities = (np.array([getattr(draw, name) for draw in found]) for name in ("kind", "severity"))
    untouched = kinds == "none"
    assert untouched.mean() == pytest.approx(0.4, abs=0.03)
    np.testing.assert_array_equal(severities[untouched], 0)
    assert severities[~untouched].min() > 0
    assert severities.max() <= 1
    assert severities[~untouched].mean() == pytest.approx(0.5, abs=0.02)
    names, counts = np.unique(kinds[~untouched], return_counts=True)
    assert set(names) == set(KINDS)
    assert counts.min() > 500


def test_a_draw_worked_by_hand():
    """SHA-256 of '1 Ada/Ada_0001.jpg', four numbers of eight bytes each."""
    words = np.frombuffer(hashlib.sha256(b"1 Ada/Ada_0001.jpg").digest(), ">u8").astype(object)
    draw = draw_degradation("Ada/Ada_0001.jpg", seed=1)
    assert draw.kind == KINDS[words[1] % 6] == "down_up"
    assert draw.severity == pytest.approx((words[2] + 1) / 2**64, abs=1e-15)
    assert draw.seed == words[3]


def test_a_larger_share_adds_to_a_smaller_one():
    few, more, all_of_them = draws(300, share=0.3), draws(300, share=0.7), draws(300)
    assert all(one in (other, whole) for one, other, whole in zip(more, few, all_of_them, strict=True))
    assert all(few[row] == more[row] for row in range(300) if few[row].kind != "none")


def test_draws_at_the_ends_of_the_share():
    assert {draw.kind for draw in draws(50, share=0.0)} == {"none"}
    assert "none" not in {draw.kind for draw in draws(50, share=1.0)}
    with pytest.raises(SettingsError, match=r"share must be in \[0, 1\], got 2"):
        draws(3, share=2)


def test_the_digest_tells_lists_apart_and_not_orders():
    names = [f"s{row}" for row in range(30)]
    whole = degradation_digest(names, seed=0)
    assert whole == "e7f82be7dd781c1e9a9d51921b072fd56b585611f9ecdc0ce43be9d886965e8f"
    assert degradation_digest(reversed(names), seed=0) == whole
    assert len({whole, degradation_digest(names, seed=1), degradation_digest(names[1:], seed=0)}) == 3
    assert degradation_digest(names, seed=0, share=0.5) != whole


@pytest.mark.data
def test_degraded_lfw_is_the_same_everywhere(data_root):
    samples = find_images(data_root / "data" / "lfw" / "images")
    assert len(samples) == 13_233
    digest = degradation_digest(samples.sample_ids.tolist(), seed=1)
    assert digest == "3ab359be6abde3e2fa7545289e83be64045c986125f0c9482d3eea755fdaac05"
