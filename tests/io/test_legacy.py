from __future__ import annotations

import os
import pickle
import pickletools
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError
from fiqa.io.legacy import (
    read_pickle,
    read_pickled_clusters,
    read_pickled_embeddings,
    read_pickled_scores,
    write_pickle,
)

PROTOCOLS = range(6)
PLAIN: dict[Any, Any] = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "view": np.arange(10)[::2],
    "half": np.array([1, 0.5], np.float16),
    "empty": np.zeros((0, 4), np.float32),
    "bigendian": np.arange(3, dtype=">i2"),
    "flags": np.array([True, False]),
    "names": np.array(["ada", "é"]),
    "zero_d": np.array(5.0),
    "scalar": np.float32(3.5),
    "count": np.int64(-3),
    "name": np.str_("ada"),
    "nested": {"s": {0: ["a", "b"], 1: ("c", [])}},
    "numbers": [1, -(2**70), 0.1, float("inf"), True, None],
    "bytes": [b"", b"xy\xff"],
    7: "seven",
}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and bool(np.array_equal(left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    found = read_pickle(saved(tmp_path / "a.pkl", pickle.dumps(PLAIN, protocol=protocol)))
    assert same(PLAIN, found)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("core", ["core", "_core"])
def test_both_homes_of_the_numpy_makers(tmp_path: Path, protocol: int, core: str) -> None:
    content = pickle.dumps({"a": np.arange(4, dtype=np.float32), "b": np.float32(2)}, protocol=protocol)
    for module in ("multiarray", "numeric"):
        for home in ("core", "_core"):
            old, new = f"numpy.{home}.{module}".encode(), f"numpy.{core}.{module}".encode()
            content = content.replace(b"\x8c" + bytes([len(old)]) + old, b"\x8c" + bytes([len(new)]) + new)
            content = content.replace(b"c" + old + b"\n", b"c" + new + b"\n")
    if protocol >= 4:
        content = content[:2] + content[11:]  # without the frame, whose length has changed
    names = [argument for _, argument, _ in pickletools.genops(content) if isinstance(argument, str)]
    assert any(f"numpy.{core}." in name for name in names)
    assert protocol == 5 or any(f"numpy.{core}.multiarray" in name for name in names)
    found = read_pickle(saved(tmp_path / "a.pkl", content))
    np.testing.assert_array_equal(found["a"], np.arange(4))
    assert found["b"] == 2


def test_python_2(tmp_path: Path) -> None:
    content = (
        b"\x80\x02}q\x00U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
        b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02f4q\nK\x00K\x01\x87q\x0bRq\x0c"
        b"(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x08\x00\x00\x80?\x00\x00\x00\xc0"
        b"q\x0ftq\x10bs."
    )
    np.testing.assert_array_equal(read_pickle(saved(tmp_path / "a.pkl", content))["a"], [1, -2])


def test_arrays_are_read_only(tmp_path: Path) -> None:
    write_pickle(tmp_path / "a.pkl", {"a": np.arange(3)})
    assert not read_pickle(tmp_path / "a.pkl")["a"].flags.writeable


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=plain, protocol=st.sampled_from(PROTOCOLS))
def test_any_plain_value(tmp_path_factory: pytest.TempPathFactory, value: object, protocol: int) -> None:
    path = tmp_path_factory.mktemp("pickles") / "a.pkl"
    assert read_pickle(saved(path, pickle.dumps(value, protocol=protocol))) == value


@given(content=st.binary(max_size=60))
def test_noise_is_refused_or_plain(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = saved(tmp_path_factory.mktemp("pickles") / "a.pkl", b"\x80\x04" + content + b".")
    try:
        read_pickle(path)
    except DataError as error:
        assert "a.pkl" in str(error)  # noqa: PT017


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


HOSTILE = {
    "system": lambda mark: Call(os.system, f"touch {mark}"),
    "eval": lambda mark: Call(eval, f"open({str(mark)!r}, 'w')"),
    "open": lambda mark: Call(open, str(mark), "w"),
    "getattr": lambda mark: Call(getattr, os, "system"),
    "numpy load": lambda mark: Call(np.load, str(mark)),
    "inside an array": lambda mark: np.array([Call(os.system, f"touch {mark}")], dtype=object),
    "inside a key": lambda mark: {("a", Call(os.mkdir, str(mark))): 1},
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_pickles_run_nothing(tmp_path: Path, attack: str, protocol: int) -> None:
    mark = tmp_path / "mark"
    try:
        content = pickle.dumps({"a": HOSTILE[attack](mark)}, protocol=protocol)
    except TypeError:
        content = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    with pytest.raises(
        DataError, match=r"a\.pkl is refused as a pickle of plain data: (it asks for|arrays of)"
    ):
        read_pickle(saved(tmp_path / "a.pkl", content))
    assert not mark.exists()


def test_a_hostile_pickle_is_refused_before_its_first_call(tmp_path: Path) -> None:
    content = b"\x80\x04]q\x00(\x8c\x02ok" + b"cos\nsystem\n\x8c\x04true\x85Re."
    with pytest.raises(DataError, match=r"it asks for os\.system"):
        read_pickle(saved(tmp_path / "a.pkl", content))


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\nndarray\n.",  # a maker itself
        b"cnumpy\nndarray\n}S'value'\nI1\nsb.",  # state set on a maker
        b"c_codecs\nencode\nN}S'a'\nI1\ns\x86b.",  # attributes set on a maker
        b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.",
        b"cnumpy\ndtype\n(S'V8'\nI0\nI1\ntR.",
        b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR.",  # a type is no data
        b"cnumpy.core.multiarray\n_reconstruct\n(tR.",  # an array that was never filled
        b"cnumpy\nndarray.__new__\n.",
        b"Phere\n.",
        b"\x80\x02\x82\x01.",  # extension registry
        b"]\x94h\x00a.",  # a list that contains itself
        b"c__builtin__\nbytes\n(L1000000000000L\ntR.",
        b"c__builtin__\nset\n((lp0\ntR.",
        b"\x8f.",  # an empty set
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"",
        b"hello",
    ],
)
def test_odd_programs_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.pkl is refused as a pickle of plain data"):
        read_pickle(saved(tmp_path / "a.pkl", content))


@pytest.mark.parametrize(
    "state", [(1, (2,), "f4", False, b"x"), (1, (3,), None, False, b"x" * 8), (1,), "text"]
)
def test_malformed_array_states(tmp_path: Path, state: object) -> None:
    content = b"cnumpy.core.multiarray\n_reconstruct\n(tR" + pickle.dumps(state, protocol=0)[:-1] + b"b."
    with pytest.raises(DataError, match="is refused"):
        read_pickle(saved(tmp_path / "a.pkl", content))


def test_shared_parts_cost_nothing(tmp_path: Path) -> None:
    shared: list[Any] = ["end"]
    for _ in range(60):
        shared = [shared, shared]
    found = read_pickle(saved(tmp_path / "a.pkl", pickle.dumps(shared)))
    assert found[0] is found[1]


@pytest.mark.parametrize(
    "value", [OrderedDict(a=1), {1, 2}, 1j, range(3), np.array([1j]), np.zeros(2, "f4,i4")]
)
def test_other_types_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError, match=r"a\.pkl is refused"):
        read_pickle(saved(tmp_path / "a.pkl", pickle.dumps(value)))


def test_cut_short_or_missing(tmp_path: Path) -> None:
    content = pickle.dumps(PLAIN)
    with pytest.raises(DataError, match="is refused as a pickle of plain data"):
        read_pickle(saved(tmp_path / "a.pkl", content[: len(content) // 2]))
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_pickle(tmp_path / "absent.pkl")


def test_written_file_opens_with_plain_pickle(tmp_path: Path) -> None:
    write_pickle(tmp_path / "q.pkl", {"a": 0.1, "b": 2.0})
    assert pickle.loads((tmp_path / "q.pkl").read_bytes()) == {"a": 0.1, "b": 2.0}
    with pytest.raises(TypeError):
        write_pickle(tmp_path / "p.pkl", {"a": (row for row in "ab")})
    assert [path.name for path in tmp_path.iterdir()] == ["q.pkl"]


def test_published_embeddings(tmp_path: Path) -> None:
    write_pickle(tmp_path / "e.pkl", {"a": np.array([3, 4], np.float32), "b": np.array([0, -2], np.float32)})
    found = read_pickled_embeddings(tmp_path / "e.pkl", recogniser="arcface")
    assert found.sample_ids.tolist() == ["a", "b"]
    np.testing.assert_allclose(found.vectors, [[0.6, 0.8], [0, -1]])
    np.testing.assert_array_equal(found.norms, [5, 2])
    assert found.recogniser == "arcface"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"a": np.ones(2), "b": np.zeros(2)}, r"e\.pkl: vectors are zero or not finite at b"),
        ({"a": np.ones(2), "b": np.array([1, np.nan])}, r"e\.pkl: vectors are zero or not finite at b"),
        ({"a": np.ones(2), "b": np.ones(3)}, r"e\.pkl must hold float vectors of one length"),
        ({"a": "text"}, r"e\.pkl must hold float vectors"),
        ({}, r"e\.pkl must hold a dictionary from name to vector, got an empty one"),
    ],
)
def test_malformed_embeddings(tmp_path: Path, mapping: dict[str, Any], message: str) -> None:
    write_pickle(tmp_path / "e.pkl", mapping)
    with pytest.raises(DataError, match=message):
        read_pickled_embeddings(tmp_path / "e.pkl", recogniser="arcface")


def test_published_scores(tmp_path: Path) -> None:
    write_pickle(tmp_path / "faceqan.pkl", {"b": np.float32(0.5), "a": 1})
    found = read_pickled_scores(tmp_path / "faceqan.pkl")
    assert found.sample_ids.tolist() == ["b", "a"]
    assert found.values.tolist() == [0.5, 1]
    assert found.method == "faceqan"
    write_pickle(tmp_path / "faceqan.pkl", {"a": float("nan")})
    with pytest.raises(DataError, match=r"faceqan\.pkl: quality scores of faceqan must be finite.* at a"):
        read_pickled_scores(tmp_path / "faceqan.pkl")
    write_pickle(tmp_path / "faceqan.pkl", {"a": [1, 2]})
    with pytest.raises(DataError, match="must hold one number for each sample"):
        read_pickled_scores(tmp_path / "faceqan.pkl")
    saved(tmp_path / "faceqan.pkl", pickle.dumps([1]))
    with pytest.raises(DataError, match="must hold a dictionary from name to score, got list"):
        read_pickled_scores(tmp_path / "faceqan.pkl")


def test_published_clusters(tmp_path: Path) -> None:
    write_pickle(tmp_path / "c.pkl", {"ada": {7: ["a", "b"], 2: ["c"]}, "bob": {0: np.array(["d"])}})
    sample_ids, subject_ids, clusters = read_pickled_clusters(tmp_path / "c.pkl")
    assert sample_ids.tolist() == ["a", "b", "c", "d"]
    assert subject_ids.tolist() == ["ada", "ada", "ada", "bob"]
    assert clusters.tolist() == [0, 0, 1, 0]
    write_pickle(tmp_path / "c.pkl", {"ada": ["a"]})
    with pytest.raises(DataError, match=r"\{subject: \{cluster: \[sample ids\]\}\}, not so at 'ada'"):
        read_pickled_clusters(tmp_path / "c.pkl")
    write_pickle(tmp_path / "c.pkl", {"ada": {0: []}})
    with pytest.raises(DataError, match="holds no samples"):
        read_pickled_clusters(tmp_path / "c.pkl")


def test_a_scalar_whose_bytes_do_not_fit(tmp_path: Path) -> None:
    content = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR"
        + b"S'"
        + struct.pack("B", 65)
        + b"'\ntR."
    )
    with pytest.raises(DataError, match="is refused"):
        read_pickle(saved(tmp_path / "a.pkl", content))
