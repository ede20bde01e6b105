"""FaceQAN: a good crop keeps its embedding under small steps chosen to change it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ..core.errors import SettingsError
from ..core.types import FaceCrops
from ..models.frozen import frozen
from ..models.torch_recogniser import TorchRecogniser
from .bounds import real, whole

_BATCH = 8
_ATTACKED_AT_ONCE = 10
"""Copies that take a step together: more of them fall out of the processor's caches and get slower."""


class FaceQan:
    """Adversarial noise resistance and mirror symmetry, without training, on any differentiable recogniser.

    With pixels in [0, 1], M the recogniser and x the crop, each of k copies starts from
    x + uniform(-epsilon, epsilon) and takes sign-gradient steps of size epsilon that lower its cosine
    similarity to the clean embedding M(x). With s the k l similarities,

        score = [(1 + mean(s)) / 2 * clip(1 - std(s), 0, 1) * cos(M(x), M(mirrored x))] ^ exponent

    in [-1, 1], higher = more useful; std is that of the population, and a negative base keeps its sign.

    As in the published program, a similarity is recorded *before* the step of its round, so that the first
    is that of random noise alone and the step after the last one would go unused (it is not taken), and
    copies are clamped to [-1, 1] although pixels lie in [0, 1]; see `clamp`. Unlike there, the k noise
    fields are drawn once from `seed` and shared by all crops: the score of a crop depends on nothing but
    the crop.

    Source:
        Babnik, Peer, Struc, "FaceQAN: Face Image Quality Assessment Through Adversarial Noise
        Exploration", ICPR 2022, arXiv 2212.02127.
    """

    name = "faceqan"

    def __init__(
        self,
        recogniser: TorchRecogniser,
        *,
        copies: int = 10,
        steps: int = 5,
        epsilon: float = 0.001,
        exponent: float = 5.0,
        clamp: tuple[float, float] = (-1.0, 1.0),
        seed: int = 0,
    ) -> None:
        """Draw the noise.

        Args:
            recogniser: Differentiable recogniser.
            copies: Number k of noisy copies of a crop.
            steps: Number l of similarities recorded a copy; one gradient step lies between two of them.
            epsilon: Reach of the noise and size of a step, in units of the pixel range [0, 1].
            exponent: Power p of the score.
            clamp: Lowest and highest pixel value of a copy; (0, 1) keeps copies true images.
            seed: Of the noise.

        Raises:
            SettingsError: If a setting is out of range.
        """
        self.spec = recogniser.spec
        self.steps = whole("steps", steps)
        self.exponent = real("exponent", exponent)
        if len(clamp) != 2 or not clamp[0] <= 0 < 1 <= clamp[1]:
            raise SettingsError(f"clamp must be two numbers that enclose [0, 1], got {clamp!r}")
        self._recogniser = recogniser
        self._network = frozen(recogniser.module)
        shape = (whole("copies", copies), 3, self.spec.size, self.spec.size)
        mean, std = self.spec.channel_mean, self.spec.channel_std
        reach = real("epsilon", epsilon) * 255 / std
        noise = np.random.default_rng(whole("seed", seed, least=0)).uniform(-reach, reach, shape)
        self._noise, self._step, self._lowest, self._highest = (
            torch.from_numpy(value.astype(np.float32))
            for value in (noise, reach, *((255 * bound - mean) / std for bound in clamp))
        )

    def score(self, crops: FaceCrops) -> NDArray[np.float64]:
        """Quality (n,) in [-1, 1], higher = more useful.

        Raises:
            DataError: If the crops have another size than the recogniser wants.
        """
        blocks = [np.zeros(0)]
        for start in range(0, len(crops), _BATCH):
            clean = self._recogniser.prepare(crops.images[start : start + _BATCH])
            with torch.no_grad():
                embeddings, mirrored = self._network(torch.cat([clean, clean.flip(3)])).chunk(2)
            symmetry = cosine_similarity(embeddings, mirrored)
            resistance = self._resistance(clean, embeddings)
            evenness = (1 - resistance.std(1, correction=0)).clamp(0, 1)
            base = ((1 + resistance.mean(1)) / 2 * evenness * symmetry).double().cpu().numpy()
            blocks.append(np.sign(base) * np.abs(base) ** self.exponent)
        return np.concatenate(blocks)

    def _resistance(self, clean: Tensor, embeddings: Tensor) -> Tensor:
        """Similarities (n, copies x steps) of attacked copies to the clean embeddings (n, dimension)."""
        copies = (clean[:, None] + self._noise.to(clean.device)).flatten(0, 1)
        targets = embeddings.repeat_interleave(len(self._noise), dim=0)
        parts = [
            slice(start, start + _ATTACKED_AT_ONCE) for start in range(0, len(copies), _ATTACKED_AT_ONCE)
        ]
        attacked = [self._attack(copies[part], targets[part]) for part in parts]
        return torch.cat(attacked).reshape(len(clean), -1)

    def _attack(self, copies: Tensor, targets: Tensor) -> Tensor:
        """Similarities (m, steps) of copies (m, 3, size, size) to their targets, one before each step."""
        copies = copies.contiguous(memory_format=torch.channels_last)
        size, lowest, highest = (
            bound.to(copies.device) for bound in (self._step, self._lowest, self._highest)
        )
        recorded = []
        for step in range(self.steps):
            copies = copies.clamp(lowest, highest).requires_grad_(step < self.steps - 1)
            similarity = cosine_similarity(self._network(copies), targets)
            recorded.append(similarity.detach())
            if copies.requires_grad:
                (slope,) = torch.autograd.grad(similarity.sum(), copies)
                copies = copies.detach() - size * slope.sign()
        return torch.stack(recorded, dim=1)
