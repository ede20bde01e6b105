"""The core types as files: what each stage writes and the next one reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..core.calibration import Calibration
from ..core.errors import DataError
from ..core.types import ComparisonScores, EmbeddingSet, Failure, PairSet, QualityScores, SampleSet, Scale
from .atomic import HEADER, atomic
from .json_text import json_text, parse_json
from .provenance import Provenance
from .tables import Columns, Frame, Table, naming, read_table, write_table

VECTORS = "vectors.npy"
SAMPLES = "samples.parquet"
FAILURES = "failures.csv"


def write_scores(
    path: Path,
    scores: QualityScores,
    *,
    columns: Columns | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write quality scores as Parquet, CSV or JSON by suffix.

    Args:
        path: File to write.
        scores: What to write, in columns ``sample_id`` and ``score``.
        columns: More columns of the same rows; ``path`` and ``face`` (number of the face within its image)
            go before the score, all others after it.
        provenance: What made them; CSV leaves it out.
    """
    more = dict(columns or {})
    leading: Columns = {name: more.pop(name) for name in ("path", "face") if name in more}
    write_table(
        path,
        {"sample_id": scores.sample_ids, **leading, "score": scores.values, **more},
        attributes={"method": scores.method, "scale": scores.scale},
        provenance=provenance,
    )


def read_scores(path: Path | Frame) -> QualityScores:
    """Read columns ``sample_id`` and ``score`` of a file or a DataFrame; all others are ignored.

    A file without method and scale, such as one from another program, gives the name of the file and
    ``native``.

    Raises:
        DataError: If a column is missing, a score is no finite number, or an id occurs twice.
    """
    table = read_table(path)
    with naming(table.source):
        return QualityScores(
            table.texts("sample_id"),
            table.numbers("score"),
            table.attribute("method", default=table.source.stem),
            cast(Scale, table.attribute("scale", default="native")),
        )


def write_samples(
    path: Path, samples: SampleSet, *, columns: Columns | None = None, provenance: Provenance | None = None
) -> None:
    """Write ``sample_id``, ``subject_id``, ``path`` where there is one, and more columns to the right."""
    paths = {} if samples.paths is None else {"path": samples.paths}
    own = {"sample_id": samples.sample_ids, "subject_id": samples.subject_ids, **paths}
    write_table(path, {**own, **(columns or {})}, provenance=provenance)


def read_samples(path: Path | Frame) -> SampleSet:
    """Read ``sample_id``, ``subject_id`` and, where there is one, ``path``; paths come as they were written.

    Raises:
        DataError: If a column is missing or an id occurs twice.
    """
    return samples_of(read_table(path))


def samples_of(table: Table) -> SampleSet:
    """The samples in a table that also holds other columns."""
    with naming(table.source):
        paths = table.texts("path") if "path" in table else None
        return SampleSet(table.texts("sample_id"), table.texts("subject_id"), paths)


def write_embeddings(
    folder: Path,
    embeddings: EmbeddingSet,
    *,
    samples: SampleSet,
    provenance: Provenance,
    failures: Sequence[Failure] = (),
    half: bool = False,
) -> None:
    """Write a folder of ``vectors.npy``, ``samples.parquet``, ``failures.csv`` and ``header.json``.

    Args:
        folder: Folder to write; one written before is replaced.
        embeddings: What to write.
        samples: Samples of the same ids, in any order; others are left out.
        provenance: What made them.
        failures: Samples without an embedding, and why.
        half: Whether to keep the vectors as float16; else they stay as they are.

    Raises:
        DataError: If an embedding has no sample, or the folder cannot be written.
    """
    rows = samples.at(embeddings.sample_ids)
    with atomic(folder) as temporary:
        temporary.mkdir()
        vectors = embeddings.vectors.astype(np.float16) if half else embeddings.vectors
        np.save(temporary / VECTORS, vectors)
        write_samples(temporary / SAMPLES, rows, columns={"norm": embeddings.norms}, provenance=provenance)
        write_failures(temporary / FAILURES, failures)
        header = {"recogniser": embeddings.recogniser, "provenance": provenance.to_json()}
        write_json(temporary / HEADER, header)


def read_embeddings(folder: Path) -> EmbeddingSet:
    """Open embeddings; the vectors stay in their file and are mapped into memory.

    Raises:
        DataError: If a file is missing or damaged, or the files disagree.
    """
    header = read_json(folder / HEADER)
    if "recogniser" not in header:
        raise DataError(f"{folder / HEADER} names no recogniser: {folder} holds no embeddings")
    table = read_table(folder / SAMPLES)
    try:
        vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder / VECTORS} cannot be read: {error}") from error
    with naming(folder):
        return EmbeddingSet(
            table.texts("sample_id"), vectors, table.numbers("norm", dtype=np.float32), header["recogniser"]
        )


def write_pairs(path: Path, pairs: PairSet, *, provenance: Provenance | None = None) -> None:
    """Write ``first``, ``second`` (sample ids), ``mated`` and, where there are folds, ``fold``."""
    write_table(path, _pair_columns(pairs), provenance=provenance)


def read_pairs(path: Path | Frame) -> PairSet:
    """Read ``first``, ``second``, ``mated`` (0 or 1) and, where there is one, ``fold``.

    The vocabulary is the sorted list of all ids that occur.

    Raises:
        DataError: If a column is missing, a cell is malformed, or a sample is paired with itself.
    """
    return pairs_of(read_table(path))


def pairs_of(table: Table) -> PairSet:
    """The pairs in a table that also holds other columns."""
    with naming(table.source):
        folds = table.integers("fold").astype(np.int32) if "fold" in table else None
        return pair_set(table.texts("first"), table.texts("second"), mated=table.flags("mated"), folds=folds)


def pair_set(
    first: NDArray[np.str_],
    second: NDArray[np.str_],
    *,
    mated: NDArray[np.bool_],
    folds: NDArray[np.int32] | None = None,
) -> PairSet:
    """Pairs of sample ids as indices into the sorted list of all ids that occur."""
    sample_ids, inverse = np.unique(np.concatenate([first, second]), return_inverse=True)
    index: NDArray[np.int32] = inverse.astype(np.int32)
    return PairSet(sample_ids, index[: len(first)], index[len(first) :], mated, folds)


def write_comparisons(path: Path, scores: ComparisonScores, *, provenance: Provenance | None = None) -> None:
    """Write ``first``, ``second``, ``mated``, ``similarity`` and, where there are folds, ``fold``."""
    columns = _pair_columns(scores.pairs)
    folds = {"fold": columns.pop("fold")} if "fold" in columns else {}
    columns = {**columns, "similarity": scores.similarity, **folds}
    write_table(path, columns, attributes={"recogniser": scores.recogniser}, provenance=provenance)


def read_comparisons(path: Path | Frame) -> ComparisonScores:
    """Read what `write_comparisons` writes; a file without a recogniser gives its own name.

    Raises:
        DataError: If a column is missing or a similarity is no finite number.
    """
    table = read_table(path)
    with naming(table.source):
        recogniser = table.attribute("recogniser", default=table.source.stem)
        similarity = table.numbers("similarity", dtype=np.float32, refuse_nan=True)
        return ComparisonScores(pairs_of(table), similarity, recogniser)


def _pair_columns(pairs: PairSet) -> dict[str, NDArray[Any]]:
    ids = {"first": pairs.sample_ids[pairs.first], "second": pairs.sample_ids[pairs.second]}
    folds = {} if pairs.folds is None else {"fold": pairs.folds}
    return {**ids, "mated": pairs.mated, **folds}


def failures_beside(output: Path) -> Path:
    """Where the photographs are listed that a table has no row of."""
    return output.with_suffix(f".{FAILURES}")


def write_failures(path: Path, failures: Sequence[Failure]) -> None:
    """Write ``sample_id``, ``stage``, ``reason``, ``message``; without failures the header alone."""
    names = ("sample_id", "stage", "reason", "message")
    columns = {name: np.array([getattr(item, name) for item in failures], dtype=np.str_) for name in names}
    write_table(path, columns)


def write_failures_beside(output: Path, failures: Sequence[Failure]) -> None:
    """Write failures beside an output; without any, those of an earlier run go."""
    if failures:
        write_failures(failures_beside(output), failures)
    else:
        failures_beside(output).unlink(missing_ok=True)


def read_failures(path: Path) -> list[Failure]:
    """Read what `write_failures` wrote."""
    table = read_table(path)
    columns = [table.texts(name).tolist() for name in ("sample_id", "stage", "reason", "message")]
    with naming(path):
        return [Failure(*row) for row in zip(*columns, strict=True)]


def write_calibration(path: Path, calibration: Calibration, *, provenance: Provenance) -> None:
    """Write a calibration and what made it as JSON."""
    write_json(path, {**calibration.to_dict(), "provenance": provenance.to_json()})


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote; numpy alone is needed.

    Raises:
        DataError: If the file is missing or holds something else.
    """
    with naming(path):
        return Calibration.from_dict(read_json(path))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object, whole or not at all.

    Raises:
        DataError: If the value holds NaN, infinity or what JSON cannot express, or cannot be written.
    """
    with atomic(path) as temporary, naming(path):
        temporary.write_text(json_text(value), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DataError: If the file is missing or holds something else.
    """
    value = parse_json(path)
    if not isinstance(value, dict):
        raise DataError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value
