"""SplitMix64: random numbers for compiled loops, as a stream or as a pure function of a counter.

Source: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014,
doi:10.1145/2660193.2660195.
"""

from __future__ import annotations

import numpy as np

from .compiled import compiled

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Distance between consecutive states."""


@compiled
def mix(state: np.uint64) -> np.uint64:
    """64 random bits of a state: a bijection in which each input bit flips about half of the output bits."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@compiled
def below(bits: np.uint64, count: int) -> np.int64:
    """A number in 0..count-1 from 64 random bits; uniform up to count / 2**32."""
    return np.int64(((bits >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32))


@compiled
def fraction(bits: np.uint64) -> float:
    """A number in [0, 1) from 64 random bits."""
    return np.float64(bits >> np.uint64(11)) * 2.0**-53
