"""Ranges of method settings, checked where a method is built."""

from __future__ import annotations

import math

from ..core.errors import SettingsError


def whole(name: str, value: int, *, least: int = 1) -> int:
    """The value, if it is a whole number of at least `least`.

    Raises:
        SettingsError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingsError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return value


def real(name: str, value: float, *, above: float = 0.0, below: float = math.inf) -> float:
    """The value as a float, if it lies strictly between the bounds.

    Raises:
        SettingsError: If it does not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < below:
        raise SettingsError(f"{name} must be a number above {above:g} and below {below:g}, got {value!r}")
    return float(value)


def one_of(name: str, value: str, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices.

    Raises:
        SettingsError: If it is not.
    """
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
