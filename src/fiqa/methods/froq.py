"""FROQ: the layers of a recogniser that respond more strongly to good crops, found once and then observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from ..core.arrays import first_few, mean_ranks
from ..core.errors import DataError, SettingsError
from ..core.protocols import Progress, silent
from ..core.types import FaceCrops
from ..models.frozen import frozen
from ..models.torch_recogniser import TorchRecogniser
from ..models.watch import watching

_BATCH = 16
_CANDIDATES = 10
_ONE_LENGTH = 1e-5
_FEWEST_CROPS = 10
_NOISES, _NOISE_SHARE = 10, 0.001
_CELLS = 8

Norms = dict[str, NDArray[np.float64]]


class Froq:
    """Mean length of the outputs of some layers in one pass, higher = more useful.

    With o_k the flattened output of layer k, the score is mean_k |o_k|, above 0. Lengths of different layers
    have different scales and are averaged as they are, as published: a wide layer weighs more. Which layers
    tell quality depends on the recogniser; `search_layers` finds them on a small set of crops.

    Source:
        Babnik, Jain, Peer, Struc, "FROQ: Observing Face Recognition Models for Efficient Quality Assessment",
        IJCB 2025.
    """

    name = "froq"

    def __init__(self, recogniser: TorchRecogniser, *, layers: Sequence[str] = ()) -> None:
        """Choose the layers to observe.

        Args:
            recogniser: The one on which they were found.
            layers: Their names.

        Raises:
            SettingsError: If none is given, or one is not in the recogniser.
        """
        known = _layers(recogniser)
        wanted = () if isinstance(layers, str) or not isinstance(layers, Sequence) else tuple(layers)
        absent = [name for name in wanted if name not in known]
        if not wanted or absent:
            raise SettingsError(
                f"froq needs the layers that `fiqa froq` found on {recogniser.name}, got "
                f"{first_few(absent) + ', which it does not have' if absent else repr(layers)}"
            )
        self.spec = recogniser.spec
        self.layers = wanted
        self._recogniser = recogniser

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,), above 0, higher = more useful.

        Raises:
            DataError: If the crops have another size than the recogniser wants.
        """
        norms = _norms(self._recogniser, crops.images, names=self.layers)
        mean: NDArray[np.float64] = np.mean([norms[name] for name in self.layers], axis=0)
        return mean


@dataclass(frozen=True)
class LayerSearch:
    """What a search found.

    Attributes:
        layers: Layers to observe, in the order in which they were taken.
        agreement: Spearman correlation of their mean length with the stability of the embeddings.
    """

    layers: tuple[str, ...]
    agreement: float


def search_layers(
    recogniser: TorchRecogniser, crops: FaceCrops, *, seed: int = 0, progress: Progress = silent
) -> LayerSearch:
    """Find the layers whose lengths rank crops as the stability of their embeddings does.

    Of all layers the ten with the highest Spearman correlation are candidates. Starting from the best, the
    one that makes the mean length of the set correlate most is added until none is left; the set that
    correlated most is kept. Of equals the first in the network is taken, of equal sets the smallest. A layer
    that has one length for all crops, but for rounding, is no candidate.

    Args:
        recogniser: Where to search.
        crops: Ten or more that differ in quality; some hundreds serve well.
        seed: Of the noise.
        progress: Called with the number of crops whose stability is known.

    Raises:
        DataError: If there are too few crops, they have another size than the recogniser wants, or their
            embeddings are equally stable.
    """
    if len(crops) < _FEWEST_CROPS:
        raise DataError(f"FROQ needs at least {_FEWEST_CROPS} crops to find layers, got {len(crops)}")
    wanted = _centred_ranks(stability(recogniser, crops, seed=seed, progress=progress))
    norms = _norms(recogniser, crops.images, names=tuple(_layers(recogniser)))
    if not np.ptp(wanted):
        raise DataError("FROQ needs crops that differ in quality; the embeddings of these are equally stable")
    alone = {
        name: _correlation(wanted, row)
        for name, row in norms.items()
        if np.ptp(row) > _ONE_LENGTH * row.max()
    }
    candidates = sorted(alone, key=alone.__getitem__, reverse=True)[:_CANDIDATES]
    taken: list[str] = []
    found: list[LayerSearch] = []
    total = np.zeros(len(crops))
    while candidates:
        values = [_correlation(wanted, total + norms[name]) for name in candidates]
        best = int(np.argmax(values))
        taken.append(candidates.pop(best))
        total += norms[taken[-1]]
        found.append(LayerSearch(tuple(taken), values[best]))
    return max(found, key=lambda one: one.agreement)


def stability(
    recogniser: TorchRecogniser, crops: FaceCrops, *, seed: int = 0, progress: Progress = silent
) -> NDArray[np.float64]:
    """How little small disturbances of a crop change its embedding (n,), at most 1, higher = more useful.

    The mean of three cosine similarities to the embedding of the crop itself: of its mirror image; of the
    crop with 0.1 % of Gaussian noise mixed in, mean over ten fields of standard deviation 1 for pixels in
    [-1, 1], the same for all crops; and of the crop with one cell of an 8 x 8 grid black, mean over the 64
    cells (14 pixels of 112).

    Raises:
        DataError: If the crops have another size than the recogniser wants.
    """
    spec, network = recogniser.spec, frozen(recogniser.module)
    fields = np.random.default_rng(seed).standard_normal((_NOISES, 3, spec.size, spec.size), np.float32)
    noise = torch.from_numpy((127.5 * (1 + fields) - spec.channel_mean) / spec.channel_std)
    cells, black = _grid(spec.size), torch.from_numpy(-spec.channel_mean / spec.channel_std)
    values = np.empty(len(crops))
    for row in range(len(crops)):
        clean = recogniser.prepare(crops.images[row : row + 1])
        disturbed = (
            clean.flip(3),
            (1 - _NOISE_SHARE) * clean + _NOISE_SHARE * noise.to(clean.device),
            torch.where(cells.to(clean.device), black.to(clean.device), clean),
        )
        with torch.inference_mode():
            own = network(clean).double()
            means = [
                torch.cat(
                    [cosine_similarity(network(part).double(), own) for part in torch.split(group, _BATCH)]
                )
                for group in disturbed
            ]
        values[row] = np.mean([float(similarity.mean()) for similarity in means])
        progress(row + 1, len(crops))
    return values


def _grid(size: int) -> Tensor:
    """Masks (64, 1, size, size), one cell of the grid each."""
    cell = torch.arange(size) * _CELLS // size
    place = cell[:, None] * _CELLS + cell
    return (place == torch.arange(_CELLS**2)[:, None, None])[:, None]


def _layers(recogniser: TorchRecogniser) -> dict[str, nn.Module]:
    """All layers and parts of layers by name, in the order of the network."""
    return {name: layer for name, layer in recogniser.module.layers.named_modules() if name}


@torch.inference_mode()
def _norms(recogniser: TorchRecogniser, images: NDArray[np.uint8], *, names: Sequence[str]) -> Norms:
    """Lengths (n,) of the flattened outputs of these layers."""
    layers = _layers(recogniser)
    name_of = {layers[name]: name for name in names}
    parts: dict[str, list[NDArray[np.float64]]] = {name: [np.zeros(0)] for name in names}

    def measure(layer: nn.Module, _: Tensor, output: Tensor) -> None:
        lengths = torch.linalg.vector_norm(output, dim=tuple(range(1, output.ndim)), dtype=torch.float64)
        parts[name_of[layer]].append(lengths.cpu().numpy())

    with watching(name_of, measure):
        for start in range(0, len(images), _BATCH):
            recogniser.module(recogniser.prepare(images[start : start + _BATCH]))
    return {name: np.concatenate(part) for name, part in parts.items()}


def _correlation(ranks: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Spearman correlation of values, not all of them equal, with what has these centred ranks.

    Sums of multiples of a quarter are exact, so that equals compare equal.
    """
    own = _centred_ranks(values)
    return float(ranks @ own / np.sqrt((ranks @ ranks) * (own @ own)))


def _centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks (n,) less their mean; equal values share their mean rank."""
    return mean_ranks(values) - (len(values) - 1) / 2
