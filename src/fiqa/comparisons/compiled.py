"""Loops compiled to machine code: cached on disk, and free of the interpreter lock while they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Loop = TypeVar("Loop", bound=Callable[..., object])


def compiled(loop: Loop) -> Loop:
    """Compile a loop over arrays on its first call for each combination of argument types."""
    return cast(Loop, numba.njit(nogil=True, cache=True)(loop))


def compiled_sums(loop: Loop) -> Loop:
    """The same for loops whose sums may be taken in any order, as vector instructions want them."""
    return cast(Loop, numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(loop))
