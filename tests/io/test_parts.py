from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiqa.core.ahead import by_threads
from fiqa.core.errors import DataError
from fiqa.io.parts import Parts
from fiqa.io.provenance import Provenance


def squares(number: int) -> dict[str, np.ndarray]:
    rows = np.arange(3 * number, 3 * number + 3)
    return {
        "row": rows,
        "square": (rows**2).astype(np.float32),
        "name": np.array([f"n{row}" for row in rows]),
    }


def test_chunks_join_in_order(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "work", "key")
    parts.run(12, squares)
    joined = parts.collect()
    np.testing.assert_array_equal(joined["row"], np.arange(36))
    np.testing.assert_array_equal(joined["square"], np.arange(36) ** 2)
    assert joined["name"][35] == "n35"
    assert [chunk["row"][0] for chunk in parts] == list(range(0, 36, 3))
    parts.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_does_only_what_is_missing(tmp_path: Path) -> None:
    done: list[int] = []

    def until_five(number: int) -> dict[str, np.ndarray]:
        if number == 5 and 5 not in done:
            done.append(5)
            raise KeyboardInterrupt
        done.append(number)
        return squares(number)

    with pytest.raises(KeyboardInterrupt):
        Parts(tmp_path / "work", "key").run(8, until_five)
    seen: list[tuple[int, int]] = []
    parts = Parts(tmp_path / "work", "key")
    parts.run(8, until_five, progress=lambda *counts: seen.append(counts))
    assert done == [0, 1, 2, 3, 4, 5, 5, 6, 7]
    assert seen == [(5, 8), (6, 8), (7, 8), (8, 8)]
    np.testing.assert_array_equal(parts.collect()["row"], np.arange(24))


def test_parts_of_another_key_are_dropped(tmp_path: Path) -> None:
    Parts(tmp_path / "work", "old").run(4, squares)
    parts = Parts(tmp_path / "work", "new")
    parts.run(1, lambda number: {"row": np.array([99])})
    np.testing.assert_array_equal(parts.collect()["row"], [99])


def test_half_a_part_of_a_killed_run_does_not_count(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "work", "key")
    parts.run(1, squares)
    (tmp_path / "work" / ".tmp-0123456789ab-00000001.npz").write_bytes(b"half")
    parts.run(2, squares)
    np.testing.assert_array_equal(parts.collect()["row"], np.arange(6))


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got objects in b"):
        Parts(tmp_path / "work", "key").run(1, lambda number: {"b": np.array([None])})


def test_beside_is_keyed_by_provenance(tmp_path: Path) -> None:
    first = Parts.beside(tmp_path / "s.csv", Provenance("scores", seed=1))
    assert first.folder == tmp_path / ".parts-s.csv"
    assert first.key == Parts.beside(tmp_path / "s.csv", Provenance("scores", seed=1)).key
    assert first.key != Parts.beside(tmp_path / "s.csv", Provenance("scores", seed=2)).key


def test_nothing_to_do(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "work", "key")
    parts.run(0, squares)
    assert parts.collect() == {}


def test_several_at_a_time_leave_the_same_parts(tmp_path: Path) -> None:
    def each(function, items):
        return by_threads(function, items, workers=3)

    one, many = Parts(tmp_path / "one", "key"), Parts(tmp_path / "many", "key")
    one.run(9, squares)
    seen: list[int] = []
    many.run(9, squares, each=each, progress=lambda done, _: seen.append(done))
    assert seen == list(range(10))
    for name, column in one.collect().items():
        np.testing.assert_array_equal(many.collect()[name], column)
