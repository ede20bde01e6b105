"""Made-up embeddings of known subjects, shared by the tests of several packages."""

from __future__ import annotations

import numpy as np


def make_embedded(
    rng: np.random.Generator, sizes: list[int], dimension: int = 16, *, modes: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors (n, d) float32, subject codes (n,), and the noise (n,) that blurs each image.

    Each subject has a few modes (poses, say) about its centre; noisier images lie farther off.
    """
    subjects = np.repeat(np.arange(len(sizes)), sizes)
    n = len(subjects)
    centres = rng.normal(size=(len(sizes), dimension))
    offsets = 0.5 * rng.normal(size=(len(sizes), modes, dimension))
    noise = rng.uniform(0.2, 1.5, size=n)
    vectors = centres[subjects] + offsets[subjects, rng.integers(modes, size=n)]
    vectors += noise[:, None] * rng.normal(size=(n, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), subjects, noise
