"""Faces in a row, to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import finite, frozen, same_length, text_ids
from ..core.errors import DataError


@dataclass(frozen=True, eq=False)
class ContactSheet:
    """Thumbnails with a number under each.

    Attributes:
        title: What is shown.
        images: (n, h, w, 3) uint8 RGB, in reading order.
        scores: (n,) number printed under each.
        names: (n,) sample ids, shown on hover.
    """

    title: str
    images: NDArray[np.uint8]
    scores: NDArray[np.floating]
    names: NDArray[np.str_]

    def __post_init__(self) -> None:
        images = np.asarray(self.images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise DataError(
                f"thumbnails must be uint8 (n, h, w, 3), got {images.dtype} of shape {images.shape}"
            )
        object.__setattr__(self, "images", frozen(images))
        object.__setattr__(self, "scores", finite("scores of a contact sheet", self.scores))
        object.__setattr__(self, "names", text_ids("names of a contact sheet", self.names))
        same_length(images=images, scores=self.scores, names=self.names)


def spread(values: ArrayLike, count: int) -> NDArray[np.intp]:
    """Rows of some samples from the worst to the best, equally far apart in rank.

    Args:
        values: (n,) quality scores, higher = more useful.
        count: How many rows to choose; all where there are fewer samples.
    """
    order = np.argsort(finite("values", values), kind="stable")
    return order[np.unique(np.linspace(0, order.size - 1, min(count, order.size)).round().astype(np.intp))]
