"""Face image quality: score, improve, evaluate and deploy (see `fiqa --help`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .deploy.scorer import Scorer as Scorer

__version__ = "0.1.0"
__all__ = ["Scorer"]


def __getattr__(name: str) -> Any:
    """Import `Scorer` when it is first asked for, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .deploy import scorer

    return getattr(scorer, name)
