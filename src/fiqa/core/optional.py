"""Optional packages, asked for at the point of use."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingDependencyError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Args:
        module: Dotted module name, such as ``"torch"``.
        extra: The extra of this package that installs it.
        purpose: What it is needed for, as it reads after "needed to".

    Raises:
        MissingDependencyError: If the module cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module.partition('.')[0]} is needed to {purpose}: pip install 'fiqa[{extra}]'"
        ) from error
