from __future__ import annotations

import numpy as np

from fiqa.core.types import FaceCrops


def test_crops_are_joined_and_known_of_all_parts_or_of_none():
    parts = [
        FaceCrops(
            np.full((count, 4, 4, 3), count, np.uint8),
            np.full((count, 5, 2), count, np.float32),
            np.full(count, count, np.float32),
        )
        for count in (1, 2)
    ]
    whole = FaceCrops.joined(parts)
    assert whole.images[:, 0, 0, 0].tolist() == whole.landmarks[:, 0, 0].tolist() == [1, 2, 2]
    assert whole.source_scale.tolist() == [1, 2, 2]
    partly = FaceCrops.joined([parts[0], FaceCrops(parts[1].images)])
    assert partly.landmarks is None
    assert partly.source_scale is None


def test_mirror_images_keep_each_pixel_under_its_landmark():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    places = np.array([[1, 2], [6, 2], [4, 4], [2, 6], [5, 6]], np.float32)
    crops = FaceCrops(images, np.stack([places] * 3), np.array([1, 2, 3], np.float32))
    mirrored = crops.mirrored()
    for own, other in enumerate((1, 0, 2, 4, 3)):
        x, y = mirrored.landmarks[1, other].astype(int)
        was_x, was_y = places[own].astype(int)
        assert np.array_equal(mirrored.images[1, y, x], images[1, was_y, was_x])
    back = mirrored.mirrored()
    assert np.array_equal(back.images, images)
    assert np.array_equal(back.landmarks, crops.landmarks)
    assert mirrored.source_scale.tolist() == [1, 2, 3]
    assert FaceCrops(images).mirrored().landmarks is None
