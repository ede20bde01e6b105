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
