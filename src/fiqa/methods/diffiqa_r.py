"""DifFIQA(R): the scores of a diffusion model, regressed from the face alone."""

from __future__ import annotations

from .published import Published


class DifFiqaR(Published):
    """The published model, about [0, 1] and not clipped, higher = more useful.

    DifFIQA adds noise to a face, takes it away again by a diffusion model, and measures how far the embedding
    moved. This network was trained to give its score in one pass.

    Source:
        Babnik, Peer, Struc, "DifFIQA: Face Image Quality Assessment Using Denoising Diffusion Probabilistic
        Models", IJCB 2023, arXiv 2305.05768.
    """

    name = "diffiqa_r"
