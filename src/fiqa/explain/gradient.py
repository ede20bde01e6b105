"""Gradient map: which pixels the score hangs on. For methods whose score is a torch function of the crop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import DataError, SettingsError
from ..core.protocols import InputSpec
from ..core.types import FaceCrops
from ..methods.bounds import whole

ScoreTensor = Callable[[Tensor], Tensor]
"""Scores (n,) of prepared crops (n, 3, size, size), with gradients: the attribute `score_tensor` of a method
that has a torch network, None or absent in others."""


def gradient_map(
    score_tensor: ScoreTensor,
    crop: FaceCrops,
    *,
    spec: InputSpec,
    samples: int = 8,
    noise: float = 0.05,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Magnitude of the change of the score with each pixel, summed over its channels.

    Gradients of deep networks flicker from pixel to pixel; their mean over noisy copies of the crop shows
    the places that matter.

    Args:
        score_tensor: Differentiable score (see `ScoreTensor`).
        crop: One crop as `spec` wants it.
        spec: How the network wants its crops.
        samples: Number of noisy copies.
        noise: Standard deviation of the Gaussian noise as a share of the pixel range; 0 adds none.
        seed: Of the noise.

    Returns:
        (size, size), at least 0, in units of the score per grey level.

    Raises:
        DataError: If there is not exactly one crop, or it has another size.
        SettingsError: If a setting is out of range.

    Source:
        Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, arXiv 1706.03825.
    """
    if len(crop) != 1:
        raise DataError(f"a map is made of one crop, got {len(crop)}")
    if not 0 <= noise < 1:
        raise SettingsError(f"noise must lie in [0, 1), got {noise}")
    clean = spec.prepare(crop.images)
    std = spec.channel_std
    shape = (whole("samples", samples), *clean.shape[1:])
    drawn = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    copies = torch.from_numpy(clean + np.float32(noise * 255) / std * drawn).requires_grad_(True)
    (slope,) = torch.autograd.grad(score_tensor(copies).sum(), copies)
    mean = slope.double().mean(dim=0).abs().cpu().numpy() / std
    total: NDArray[np.float64] = mean.sum(axis=0)
    return total
