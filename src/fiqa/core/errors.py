"""Every error a user can meet.

A message says what was expected, what came, where, and what to do about it.
"""

from __future__ import annotations


class FiqaError(Exception):
    """Base of all errors raised on purpose by this package."""


class DataError(FiqaError, ValueError):
    """Input data is malformed, inconsistent, or cannot carry the requested result."""


class TooFewError(DataError):
    """There are too few subjects, comparisons or errors for the number asked for."""


class SettingsError(FiqaError, ValueError):
    """A setting has an unknown name or a value out of range."""


class MissingDependencyError(FiqaError, ImportError):
    """An optional package is needed and absent."""


class WeightsError(FiqaError, OSError):
    """Model weights are absent, altered, or of another layout than asked for."""


class ExportError(FiqaError):
    """An exported model does not reproduce the model it came from."""
