"""eDifFIQA: a network that learned how far a diffusion model moves a face."""

from __future__ import annotations

from .published import Published


class EDifFiqa(Published):
    """The published models, about [0, 1] and not clipped, higher = more useful.

    Noise is added to a face and taken away again by a diffusion model; the less its embedding moves, the
    better the face. These networks (variants t, s, m, l by size) were trained to foretell that in one pass.

    Source:
        Babnik, Peer, Struc, "eDifFIQA: Towards Efficient Face Image Quality Assessment Based on Denoising
        Diffusion Probabilistic Models", IEEE T-BIOM 2024.
    """

    name = "ediffiqa"
