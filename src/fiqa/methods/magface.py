"""MagFace: the training loss makes good faces long."""

from __future__ import annotations

from .embedding_norm import EmbeddingNorm


class MagFace(EmbeddingNorm):
    """Length of the raw embedding, above 0, higher = more useful.

    With the official recogniser, whose loss ties length to quality, this is the published score. On any other
    recogniser it is `EmbeddingNorm`, which shows the same tendency untrained.

    Source:
        Meng, Zhao, Huang, Zhou, "MagFace: A Universal Representation for Face Recognition and Quality
        Assessment", CVPR 2021, arXiv 2103.06627.
    """

    name = "magface"
