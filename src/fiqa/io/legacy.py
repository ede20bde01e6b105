"""The published pickles (embeddings, scores, clusters), read without running anything in them.

A pickle is a program that may name any function to call. Here every name it may use stands for a small class
of this file, which only keeps the arguments; arrays are then built from raw bytes of plain numeric or text
type. Any other name is refused before it is looked up.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import first_few
from ..core.errors import DataError
from ..core.types import EmbeddingSet, QualityScores
from .atomic import atomic
from .tables import naming

_PLAIN = frozenset({str, bytes, bool, int, float, type(None)})
_OPEN = object()
_PLAIN_DTYPE = re.compile(r"[fiub][1248]|[US]\d+")
_PROTOCOL = 4


def read_pickle(path: Path) -> Any:
    """Read a pickle of dictionaries, lists, tuples, text, numbers and numpy arrays, of any protocol.

    Arrays come back read-only.

    Raises:
        DataError: If the file cannot be read, is no whole pickle, or holds anything else; nothing in it is
            run.
    """
    try:
        with path.open("rb") as file:
            return _plain(_Reader(file).load(), {})
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # malformed pickles raise errors of any kind
        raise DataError(f"{path} is refused as a pickle of plain data: {error}") from error


def write_pickle(path: Path, mapping: Mapping[str, Any]) -> None:
    """Write a dictionary in the published layout, whole or not at all.

    Raises:
        DataError: If the file cannot be written.
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        pickle.dump(dict(mapping), file, protocol=_PROTOCOL)


def read_pickled_embeddings(path: Path, *, recogniser: str) -> EmbeddingSet:
    """Read ``{sample id: vector}``; vectors are divided by their norms, which are kept.

    Raises:
        DataError: If the layout is another one, vectors differ in length, or one is zero or not finite.
    """
    named = _dictionary(path, "vector")
    try:
        vectors = np.stack([np.asarray(vector, np.float32).reshape(-1) for vector in named.values()])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} must hold float vectors of one length: {error}") from error
    sample_ids = np.array(list(named))
    norms = np.linalg.norm(vectors, axis=1)
    bad = ~(np.isfinite(norms) & (norms > 0))
    if bad.any():
        raise DataError(f"{path}: vectors are zero or not finite at {first_few(sample_ids[bad])}")
    with naming(path):
        return EmbeddingSet(sample_ids, vectors / norms[:, None], norms, recogniser)


def read_pickled_scores(path: Path) -> QualityScores:
    """Read ``{sample id: score}``; the name of the file becomes that of the method.

    Raises:
        DataError: If the layout is another one or a score is no finite number.
    """
    named = _dictionary(path, "score")
    try:
        values = np.array([float(value) for value in named.values()])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} must hold one number for each sample: {error}") from error
    with naming(path):
        return QualityScores(np.array(list(named)), values, path.stem)


def read_pickled_clusters(path: Path) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.int64]]:
    """Read ``{subject: {cluster: [sample ids]}}``.

    Returns:
        Sample ids (n,), subject ids (n,), and clusters (n,) numbered from 0 within each subject in the order
        of the file.

    Raises:
        DataError: If the layout is another one.
    """
    named = _dictionary(path, "clusters")
    rows: list[tuple[str, str, int]] = []
    for subject, clusters in named.items():
        if not isinstance(clusters, dict):
            raise DataError(f"{path} must hold {{subject: {{cluster: [sample ids]}}}}, not so at {subject!r}")
        for number, members in enumerate(clusters.values()):
            rows.extend((str(sample_id), subject, number) for sample_id in members)
    if not rows:
        raise DataError(f"{path} holds no samples")
    sample_ids, subject_ids, numbers = zip(*rows, strict=True)
    return np.array(sample_ids), np.array(subject_ids), np.array(numbers, dtype=np.int64)


def _dictionary(path: Path, what: str) -> dict[str, Any]:
    mapping = read_pickle(path)
    if not isinstance(mapping, dict) or not mapping:
        got = "an empty one" if mapping == {} else type(mapping).__name__
        raise DataError(f"{path} must hold a dictionary from name to {what}, got {got}")
    return {str(name): value for name, value in mapping.items()}


class _Inert:
    """Base of what a pickle may name: nothing can be set on it from outside."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError(f"{type(self).__name__} takes no state")


class _DataType(_Inert):
    """Stands for numpy.dtype: a plain type code and, from its state, a byte order."""

    __slots__ = ("dtype",)

    def __init__(self, code: str, *_: object) -> None:
        if not _PLAIN_DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"arrays of type {code!r} are not plain data")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or state[1] not in ("<", ">", "=", "|") or any(state[2:5]):
            raise pickle.UnpicklingError("a data type has fields")
        self.dtype = self.dtype.newbyteorder(state[1])

    def array(self, raw: Any) -> NDArray[Any]:
        content = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        return np.frombuffer(content, self.dtype)


class _Array(_Inert):
    """Stands for numpy.ndarray and its makers: filled from its state."""

    __slots__ = ("value",)

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array has a state of another kind")
        _, shape, dtype, fortran, raw = state
        self.value = _shaped(raw, dtype, shape, "F" if fortran else "C")


class _FromBuffer(_Array):
    """Stands for the maker that protocol 5 uses."""

    __slots__ = ()

    def __init__(self, raw: object, dtype: object, shape: object, order: object) -> None:
        self.value = _shaped(raw, dtype, shape, order)


class _Scalar(_Inert):
    """Stands for the maker of numpy numbers and text."""

    __slots__ = ("value",)

    def __init__(self, dtype: object, raw: object) -> None:
        self.value = _shaped(raw, dtype, (), "C")[()]


class _Bytes(_Inert):
    """Stands for the two ways in which old protocols write bytes."""

    __slots__ = ()

    def __new__(cls, text: str = "", encoding: str = "latin1") -> bytes:  # type: ignore[misc]
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
        return text.encode("latin1")


def _shaped(raw: object, dtype: object, shape: object, order: Any) -> NDArray[Any]:
    if not isinstance(dtype, _DataType) or order not in ("C", "F"):
        raise pickle.UnpicklingError("an array is without a plain data type")
    return dtype.array(raw).reshape(shape, order=order)  # type: ignore[call-overload, no-any-return]


_NAMES: dict[tuple[str, str], type[_Inert]] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DataType,
    ("_codecs", "encode"): _Bytes,
    ("builtins", "bytes"): _Bytes,
    ("__builtin__", "bytes"): _Bytes,
    **{
        (f"numpy.{core}.{module}", name): kind
        for core in ("core", "_core")
        for module, name, kind in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _Scalar),
            ("numeric", "_frombuffer", _FromBuffer),
        )
    },
}


class _Reader(pickle.Unpickler):
    """Finds the names in the table above and no others."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> type[_Inert]:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _NAMES[module, name]


def _plain(value: Any, seen: dict[int, Any]) -> Any:
    """Replace stand-ins by arrays, and refuse all that is no plain data; shared parts are walked once."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, _Array | _Scalar) and value.value is not None:
        return value.value
    if id(value) in seen:
        if seen[id(value)] is _OPEN:
            raise DataError(f"a {type(value).__name__} contains itself")
        return seen[id(value)]
    seen[id(value)] = _OPEN
    if type(value) is dict:
        done: Any = {_plain(key, seen): _plain(item, seen) for key, item in value.items()}
    elif type(value) in (list, tuple):
        done = type(value)(_plain(item, seen) for item in value)
    else:
        raise DataError(f"{type(value).__name__} is no plain data")
    seen[id(value)] = done
    return done
