"""What a set of mated pairs says about each image: the mean rank of the pairs it is held to account for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..comparisons.compiled import compiled


@dataclass(frozen=True, eq=False)
class Credit:
    """Pair ranks credited to images.

    Attributes:
        mean_rank: (n,) mean rank of the pairs credited to an image, 0..n_pairs-1; 0 where there are none.
        weight: (n,) number of pairs credited to an image, fractional where pairs are weighted.
        presence: (n,) probability that a repetition credits an image with a pair at all; 0 or 1 once drawn.
        n_pairs: Number of pairs ranked.
    """

    mean_rank: NDArray[np.float64]
    weight: NDArray[np.float64]
    presence: NDArray[np.float64]
    n_pairs: int

    def scattered(self, rows: NDArray[np.int64]) -> Credit:
        """Columns by place as columns by sample, `rows` being the sample at each place."""
        places = np.empty_like(rows)
        places[rows] = np.arange(len(rows))
        return Credit(self.mean_rank[places], self.weight[places], self.presence[places], self.n_pairs)


def mean_ranks(sums: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean pair rank (n,), averaged over recognisers, from their sums (m, n); 0 without pairs."""
    means = np.divide(sums, weight, out=np.zeros_like(sums), where=weight > 0)
    average: NDArray[np.float64] = means.mean(axis=0)
    return average if len(means) > 1 else means[0]


def strengths(standing: NDArray[np.int64], width: float) -> NDArray[np.float64]:
    """What `credit_share` compares: ranks as they are, or for soft credit their exponential.

    A share logistic in the distance of two ranks is a quotient of strengths, as in R. A. Bradley and
    M. E. Terry, Rank analysis of incomplete block designs, 1952, doi:10.2307/2334029: one division a pair.

    Args:
        standing: (n,) ranks 0..n-1, higher = better.
        width: Distance in rank, as a share of n, at which the odds are e to one; 0 for hard credit.
    """
    if width == 0:
        return standing.astype(np.float64)
    return np.exp((standing / len(standing) - 0.5) / width)


@compiled
def credit_share(own: float, other: float, soft: bool) -> float:
    """Share of a pair that is credited to the image of strength `own`; both shares add up to 1."""
    if soft:
        return other / (own + other)
    return 1.0 if other > own else 0.0
