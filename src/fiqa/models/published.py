"""Published networks from their files: the layout is recognised, and everything in it has to agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ..core.arrays import first_few
from ..core.errors import WeightsError
from .layer_graph import LayerGraph
from .layouts import LAYOUTS, Layout
from .state_file import read_state
from .trace import trace

Shapes = Mapping[str, tuple[int, ...]]
_COUNTER = ".num_batches_tracked"


def shapes_of(state: Mapping[str, Tensor]) -> Shapes:
    """Shape of each tensor by name."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@dataclass(frozen=True)
class Mismatch:
    """How tensors differ from those that are expected, all by name.

    Attributes:
        missing: Expected ones that are not there.
        unexpected: Others that are.
        reshaped: Those of another shape, both shapes told.
    """

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)

    @classmethod
    def between(cls, found: Shapes, expected: Shapes) -> Mismatch:
        """Compare names and shapes."""
        return cls(
            sorted(set(expected) - set(found)),
            sorted(set(found) - set(expected)),
            [
                f"{name} {tuple(found[name])} instead of {tuple(expected[name])}"
                for name in sorted(set(expected) & set(found))
                if tuple(found[name]) != tuple(expected[name])
            ],
        )

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def __str__(self) -> str:
        kinds = (("missing", self.missing), ("unexpected", self.unexpected))
        return "; ".join(
            f"{len(names)} {kind}: {first_few(names)}"
            for kind, names in (*kinds, ("of another shape", self.reshaped))
            if names
        )


@dataclass(frozen=True)
class Checkpoint:
    """A file whose layout is known.

    Attributes:
        path: The file.
        layout: Its layout.
        state: The tensors under the names that the network has for them.
    """

    path: Path
    layout: Layout
    state: Mapping[str, Tensor]

    def module(self) -> LayerGraph:
        """The network with these weights in float32, in evaluation mode."""
        with torch.device("meta"):
            module: torch.nn.Module = self.layout.build()
        module.to_empty(device="cpu")
        missing = {
            name: torch.zeros((), dtype=torch.long) for name in module.state_dict().keys() - self.state
        }
        module.load_state_dict({**self.state, **missing})
        return trace(module.eval())


def identify(path: Path) -> Checkpoint:
    """Find the layout whose names and shapes all agree with a file.

    Raises:
        MissingDependencyError: If the file is safetensors and that package is not installed.
        WeightsError: If the file cannot be read, or has no layout that is known: the nearest one is named,
            and what is missing, unexpected or of another shape.
    """
    state = read_state(path)
    nearest: tuple[int, Layout, Mismatch] | None = None
    for layout in sorted(LAYOUTS, key=lambda row: abs(row.entries - len(state))):
        for wrapper in layout.wrappers:
            inner, mismatch = _compare(state, layout, wrapper)
            if not mismatch:
                return Checkpoint(path, layout, inner)
            if nearest is None or len(mismatch) < nearest[0]:
                nearest = len(mismatch), layout, mismatch
    assert nearest is not None  # there are layouts, and each has a wrapper
    _, layout, mismatch = nearest
    if len(mismatch.unexpected) == len(state):
        raise WeightsError(f"{path} has {len(state)} tensors of no known network: {first_few(list(state))}")
    raise WeightsError(
        f"{path} has {len(state)} tensors of no known layout; nearest is {layout.name} with "
        f"{layout.entries}: {mismatch}"
    )


def load_published(path: Path, *, kind: str, method: str = "") -> Checkpoint:
    """A file of the kind that is wanted.

    Args:
        path: The file.
        kind: ``"recogniser"`` or ``"quality"``.
        method: Quality method or training loss that it has to belong to; empty for any.

    Raises:
        WeightsError: As `identify`, or if the file belongs to something else.
    """
    checkpoint = identify(path)
    layout = checkpoint.layout
    if layout.kind != kind:
        advice = {
            "recogniser": f"a recogniser and no quality model; name it by --recogniser torch:{path}",
            "quality": f"a quality model and no recogniser; score with it by --method {layout.method} "
            f"--weights {path}",
        }
        raise WeightsError(f"{path} has the layout {layout.name}: it is {advice[layout.kind]}")
    if method and layout.method != method:
        wanted = ", ".join(row.name for row in LAYOUTS if row.method == method)
        raise WeightsError(f"{path} has the layout {layout.name} of {layout.method}; {method} has {wanted}")
    return checkpoint


@cache
def expected_shapes(layout: Layout) -> Shapes:
    """Names and shapes of a layout's tensors, without any wrapper; nothing is allocated."""
    with torch.device("meta"):
        state = layout.build().state_dict()
    return shapes_of(state)


def _compare(state: Mapping[str, Tensor], layout: Layout, wrapper: str) -> tuple[dict[str, Tensor], Mismatch]:
    """The tensors behind a wrapper, and how they and the rest of the file differ from the layout."""
    inner = {name.removeprefix(wrapper): item for name, item in state.items() if name.startswith(wrapper)}
    expected = expected_shapes(layout)
    if not any(name.endswith(_COUNTER) for name in inner):
        expected = {name: shape for name, shape in expected.items() if not name.endswith(_COUNTER)}
    mismatch = Mismatch.between(shapes_of(inner), expected)
    rest = [name for name in state if not name.startswith((wrapper, *layout.training))]
    return inner, Mismatch(mismatch.missing, mismatch.unexpected + rest, mismatch.reshaped)
