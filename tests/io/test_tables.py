from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiqa.core.errors import DataError, SettingsError
from fiqa.io.provenance import Provenance
from fiqa.io.tables import count_rows, read_provenance, read_table, shard, shards, write_table

SUFFIXES = ("parquet", "csv", "json")
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    rows=st.lists(
        st.tuples(texts, st.floats(allow_nan=False), st.floats(width=32, allow_nan=False), st.booleans()),
        min_size=1,
        max_size=20,
    )
)
def test_every_form_reads_back_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[tuple[str, float, float, bool]]
) -> None:
    if suffix == "json":
        rows = [row for row in rows if np.isfinite(row[1:3]).all()] or [("a", 0.1, 0.5, True)]
    path = tmp_path_factory.mktemp("tables") / f"t.{suffix}"
    names, wide, narrow, flags = (np.array(column) for column in zip(*rows, strict=True))
    write_table(path, {"name": names, "wide": wide, "narrow": narrow.astype(np.float32), "flag": flags})
    table = read_table(path)
    np.testing.assert_array_equal(table.texts("name"), names)
    assert table.numbers("wide").tobytes() == wide.tobytes()
    assert table.numbers("narrow", dtype=np.float32).tobytes() == narrow.astype(np.float32).tobytes()
    np.testing.assert_array_equal(table.flags("flag"), flags)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_attributes_and_no_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    write_table(path, {"a": np.array(["x", "y"])}, attributes={"method": "m, n"})
    assert read_table(path).attribute("method", default="?") == "m, n"
    assert read_table(path).attribute("absent", default="?") == "?"
    write_table(path, {"a": np.zeros(0, str)}, attributes={"method": "m"})
    assert len(read_table(path).columns.get("a", [])) == 0


@pytest.mark.parametrize("suffix", ["parquet", "json"])
def test_provenance_is_kept(tmp_path: Path, suffix: str) -> None:
    provenance = Provenance("scores", settings={"k": 3, "path": "a/b"}, inputs={"x": "12"}, seed=3)
    write_table(tmp_path / f"t.{suffix}", {"a": np.arange(2)}, provenance=provenance)
    assert read_table(tmp_path / f"t.{suffix}").provenance == provenance


def test_parquet_is_plain(tmp_path: Path) -> None:
    columns = {
        "id": np.array(["a", "é"]),
        "x": np.array([0.5, 1.5]),
        "n": np.arange(2),
        "v": np.ones((2, 3), "f4"),
    }
    write_table(tmp_path / "t.parquet", columns)
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert [str(field.type) for field in schema] == [
        "string",
        "double",
        "int64",
        "fixed_size_list<element: float>[3]",
    ]
    np.testing.assert_array_equal(read_table(tmp_path / "t.parquet").column("v"), np.ones((2, 3)))


def test_tables_of_other_programs(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"first": pa.array(["a", "b"]).dictionary_encode(), "n": [1, 2]}),
        tmp_path / "t.parquet",
    )
    table = read_table(tmp_path / "t.parquet")
    assert table.texts("first").tolist() == ["a", "b"]
    assert table.provenance is None
    (tmp_path / "t.csv").write_bytes('\ufeffname,x\r\n"a,b",1\r\n"say ""é""",2\r\n\r\n'.encode())
    table = read_table(tmp_path / "t.csv")
    assert table.texts("name").tolist() == ["a,b", 'say "é"']
    assert table.numbers("x").tolist() == [1, 2]


def test_csv_text(tmp_path: Path) -> None:
    columns = {"name": np.array(["a"]), "x": np.array([0.1]), "mated": np.array([True])}
    write_table(tmp_path / "t.csv", columns, attributes={"method": "m"})
    assert (tmp_path / "t.csv").read_bytes() == b"name,x,mated,method\na,0.1,1,m\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"t\.csv is empty"),
        ("a,b\n1,2\n1\n", r"t\.csv: 2 cells expected, other counts at lines 3"),
        ("a,b\n\n1,2\n", r"t\.csv: 2 cells expected, other counts at lines 2"),
        ("a,a\n1,2\n", "two columns share a name"),
        ("a\n\xff", r"t\.csv is not UTF-8 text"),
    ],
)
def test_malformed_csv(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content.encode("latin1"))
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"t\.json is no JSON"),
        ("[1]", r't\.json must be \{"rows"'),
        ('{"rows": [1]}', r't\.json must be \{"rows"'),
        ('{"rows": [{"a": 1}, {"b": 1}]}', "rows must have the keys a, others at 1"),
    ],
)
def test_malformed_json(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.json")


def test_malformed_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="is no whole Parquet file"):
        read_table(path)
    write_table(path, {"a": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is no whole Parquet file"):
        read_table(path)
    pq.write_table(pa.table({"a": ["x", None]}), path)
    with pytest.raises(DataError, match="column a holds 1 nulls"):
        read_table(path)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "folder"])
def test_missing_file(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match=rf"t\.{suffix} cannot be read: "):
        read_table(tmp_path / f"t.{suffix}")


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder that would be lost; name a file"):
        write_table(tmp_path, {"a": np.arange(2)})
    with pytest.raises(SettingsError, match=r"t\.xlsx must end in one of \.parquet, \.csv, \.json"):
        write_table(tmp_path / "t.xlsx", {"a": np.arange(2)})
    (tmp_path / "t").write_text("")
    with pytest.raises(SettingsError, match="must end in one of"):
        read_table(tmp_path / "t")


def test_cells_of_the_wrong_kind_name_their_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,mated\n1,1\ntwo,yes\n3,0\n,2\n")
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"t\.csv: x must be a number, got 'two', '' at lines 3, 5"):
        table.numbers("x")
    with pytest.raises(DataError, match=r"mated must be 0 or 1, got 'yes', '2' at lines 3, 5"):
        table.flags("mated")
    with pytest.raises(DataError, match=r"t\.csv has no column 'y'; there are: x, mated"):
        table.texts("y")
    with pytest.raises(DataError, match=r"t\.csv mixes mated 0, 1, 2 and 1 more; keep one in a file"):
        table.attribute("mated", default="?")


def test_columns_of_different_length(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="columns must have one length, got a 2, b 3"):
        write_table(tmp_path / "t.csv", {"a": np.arange(2), "b": np.arange(3)})


def test_nan_does_not_fit_into_json(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.json: JSON cannot hold this"):
        write_table(tmp_path / "t.json", {"a": np.array([np.nan])})
    assert list(tmp_path.iterdir()) == []


def test_json_is_rows_for_other_programs(tmp_path: Path) -> None:
    write_table(tmp_path / "t.json", {"a": np.array(["é"]), "x": np.array([0.1])}, attributes={"method": "m"})
    document = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert document == {"attributes": {"method": "m"}, "rows": [{"a": "é", "x": 0.1}]}


def test_csv_and_json_need_no_pyarrow_and_parquet_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; import numpy as np; from fiqa.io.tables import read_table, write_table\n"
        "from fiqa.core.errors import MissingDependencyError\n"
        "for name in ('t.csv', 't.json'):\n"
        "    path = Path(sys.argv[1], name); write_table(path, {'a': np.arange(3)}); read_table(path)\n"
        "try:\n"
        "    write_table(Path(sys.argv[1], 't.parquet'), {'a': np.arange(3)})\n"
        "except MissingDependencyError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "pyarrow is needed to read and write Parquet" in done.stdout
    assert "pip install 'fiqa[lab]'" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.json"]


def test_file_names_of_any_bytes_are_written_readable(tmp_path: Path) -> None:
    for suffix in (".csv", ".json", ".parquet"):
        path = tmp_path / f"t{suffix}"
        write_table(path, {"path": np.array(["plain", "caf\udce9.jpg", "日"]), "n": np.arange(3)})
        assert read_table(path).texts("path").tolist() == ["plain", r"caf\xe9.jpg", "日"]


def test_a_folder_of_shards_is_one_table(tmp_path: Path) -> None:
    made_by = Provenance("scores", settings={"a": 1})
    for number, rows in enumerate(([1, 2], [], [3])):
        columns = {"sample_id": np.array(rows).astype(np.str_), "score": np.array(rows, float)}
        write_table(shard(tmp_path, number), columns, attributes={"method": "m"}, provenance=made_by)
    assert [path.name for path in shards(tmp_path)] == [f"part-0000{n}.parquet" for n in range(3)]
    table = read_table(tmp_path)
    assert table.texts("sample_id").tolist() == ["1", "2", "3"]
    assert (table.attribute("method", default=""), table.provenance) == ("m", made_by)
    assert read_provenance(shard(tmp_path, 0)) == made_by
    assert [count_rows(path) for path in shards(tmp_path)] == [2, 0, 1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty is a folder without a part-00000\.parquet"):
        read_table(tmp_path / "empty")
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"x\.parquet is no whole Parquet file"):
        read_provenance(tmp_path / "x.parquet")
