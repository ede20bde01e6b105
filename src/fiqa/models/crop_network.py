"""A network on crops, whatever runs it: tried when it is loaded, then run in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.ahead import by_threads
from ..core.errors import WeightsError
from ..core.protocols import InputSpec

BATCH = 16
"""Crops a run: past 32 the time a crop no longer falls."""

Gives = Literal["embedding", "score"]
Run = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""Prepared crops (k, 3, size, size) to one row of numbers a crop, (k, width) or (k,)."""


class CropNetwork:
    """Crops in, one row of numbers a crop out.

    Attributes:
        spec: How the network wants its crops.
        width: Numbers a crop.
    """

    def __init__(
        self,
        name: str,
        spec: InputSpec,
        *,
        run: Run,
        gives: Gives,
        threads: int = 1,
    ) -> None:
        """Try the network on two black crops.

        Args:
            name: Name in messages.
            spec: How the network wants its crops.
            run: Runs it on one batch, from several threads at once where there are several.
            gives: What it is loaded for: embeddings have several numbers, a score is one.
            threads: Batches that run side by side. For small networks that is faster than one batch on as
                many cores.

        Raises:
            WeightsError: If it does not take crops as in `spec`, does not return one row a crop, or gives an
                embedding where a score is wanted or the reverse.
        """
        self.spec, self._run, self._threads = spec, run, threads
        prepared = spec.prepare(np.zeros((2, spec.size, spec.size, 3), np.uint8))
        try:
            shape = run(prepared).shape
        except RuntimeError as error:
            raise WeightsError(f"{name} does not take crops of shape {prepared.shape}: {error}") from error
        if len(shape) not in (1, 2) or shape[0] != 2:
            raise WeightsError(f"{name}: expected one row a crop, (2, dimension) for 2 crops, got {shape}")
        self.width = 1 if len(shape) == 1 else int(shape[1])
        if gives == "embedding" and self.width == 1:
            raise WeightsError(
                f"{name} gives one number a crop: this is a quality model, no recogniser; "
                f"score with it by --method onnx --weights FILE"
            )
        if gives == "score" and self.width != 1:
            raise WeightsError(
                f"{name} gives {self.width} numbers a crop: this is a recogniser, no quality model; "
                f"name it by --recogniser onnx:FILE"
            )

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows (n, width) of uint8 RGB crops (n, size, size, 3).

        Raises:
            DataError: If the crops have another size.
        """
        self.spec.check(images)
        rows = np.empty((len(images), self.width), np.float32)
        size = max(1, min(BATCH, -(-len(images) // self._threads)))

        def batch(start: int) -> None:
            part = slice(start, start + size)
            rows[part] = self._run(self.spec.prepare(images[part])).reshape(-1, self.width)

        for _ in by_threads(batch, range(0, len(images), size), workers=self._threads):
            pass
        return rows
