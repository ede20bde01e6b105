"""Looking at what goes into and comes out of the layers of a network while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def watching(
    modules: Iterable[nn.Module], look: Callable[[nn.Module, Tensor, Tensor], None]
) -> Iterator[None]:
    """Within the block, call ``look(module, first input, output)`` after each run of one of these modules.

    The modules are left as they were, also after an error.
    """
    handles = [
        module.register_forward_hook(lambda layer, inputs, output: look(layer, inputs[0], output))
        for module in modules
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
