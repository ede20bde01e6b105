"""The published label optimisation in plain Python loops: what speed and results are measured against.

Source: Ž. Babnik, N. Damer, V. Štruc, Optimization-based improvement of face image quality assessment
techniques, IWBF 2023, arXiv 2305.14856.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

Pair = tuple[str, str, float]


def draw_pairs(
    clusters: Mapping[str, Mapping[int, Sequence[str]]],
    embeddings: Mapping[str, np.ndarray],
    rng: random.Random,
) -> list[Pair]:
    """For each image of each cluster of each subject, one partner from each other cluster."""
    pairs = set()
    for groups in clusters.values():
        for own, members in groups.items():
            for image in members:
                for other, candidates in groups.items():
                    if other != own:
                        partner = rng.choice(candidates)
                        pairs.add((image, partner, cosine(embeddings[image], embeddings[partner])))
    return list(pairs)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the angle between two embeddings, which are not normalised in the published files."""
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def optimise(
    quality: Mapping[str, float], repetitions: Sequence[Sequence[Pair]], epsilon: float
) -> dict[str, float]:
    """Move each rank towards the mean rank of the pairs in which the image is the worse one."""
    order = sorted(quality, key=quality.__getitem__)
    rank = {image: position for position, image in enumerate(order)}
    total = dict.fromkeys(order, 0.0)
    for pairs in repetitions:
        credited: dict[str, list[int]] = {image: [] for image in order}
        ranked = sorted(dict.fromkeys(pairs), key=lambda pair: pair[2])
        for position, (first, second, _) in enumerate(ranked):
            credited[first if rank[first] < rank[second] else second].append(position)
        for image, positions in credited.items():
            own = rank[image]
            target = sum(positions) / len(positions) if positions else own
            total[image] += own + epsilon * (target - own)
    moved = sorted(order, key=lambda image: total[image] / len(repetitions))
    return dict(zip(moved, sorted(quality.values()), strict=True))
