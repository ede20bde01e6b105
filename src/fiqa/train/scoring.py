"""Scores of many crops by a trained regressor, with the features that its training cached or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..core.protocols import Progress, silent
from ..core.types import QualityScores
from ..models.checkpoint import RegressorRecord
from ..models.regressor import Regressor
from .batches import Inputs, activations, pixels
from .data import CropSource
from .features import cached_features

_BATCH = 64


@torch.inference_mode()
def score_crops(
    images: CropSource,
    regressor: Regressor,
    *,
    record: RegressorRecord,
    cache: Path | None = None,
    progress: Progress = silent,
) -> QualityScores:
    """Score all crops, on the device that the regressor is on.

    Args:
        images: n crops.
        regressor: As `load_regressor` gives it, in evaluation mode.
        record: What it is.
        cache: Folder of cached features. A regressor with a cut then runs only above it, from features as
            its training used them, computed if absent; one without a cut is run whole.
        progress: Called with (crops done, n), first over crops whose features are computed, if any.

    Returns:
        Native scores of the n samples, in row order; higher = more useful.
    """
    network, inputs = above_cut(images, regressor, record, cache=cache, progress=progress)
    values = np.empty(len(images.samples))
    for start in range(0, len(values), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(values)))
        values[rows] = network(inputs(rows)).cpu().numpy()
        progress(int(rows[-1]) + 1, len(values))
    return QualityScores(images.samples.sample_ids, values, f"regressor of {record.teacher}")


def above_cut(
    images: CropSource,
    regressor: Regressor,
    record: RegressorRecord,
    *,
    cache: Path | None,
    progress: Progress = silent,
) -> tuple[Regressor, Inputs]:
    """The part of a regressor above its cut and what it reads of the crops, cached features.

    Without a cache or a cut, the whole regressor and pixels. Arguments as for `score_crops`.
    """
    device = next(regressor.parameters()).device.type
    if cache is None or record.cut is None:
        return regressor, pixels(images, record.spec, device=device)
    lower, network = regressor.split(record.cut)
    precision = record.settings["precision"]
    features = cached_features(
        images, lower, spec=record.spec, cache=cache, precision=precision, progress=progress
    )
    return network, activations(features, device=device)
