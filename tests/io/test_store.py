from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fiqa.core.errors import DataError
from fiqa.core.types import ComparisonScores, EmbeddingSet, Failure, PairSet, QualityScores, SampleSet
from fiqa.io import store
from fiqa.io.provenance import Provenance
from fiqa.io.tables import read_table

IDS = np.array(["ada/1.jpg", "ada/2.jpg", "bob, the 2nd/1.jpg"])
SCORES = QualityScores(IDS, np.array([0.1, 1 / 3, -2e-300]), "faceqan", "unit")
SAMPLES = SampleSet(IDS, np.array(["ada", "ada", "bob"]), np.array(["p/1", "p/2", "p/3"]))
PAIRS = PairSet(IDS, np.array([0, 0]), np.array([1, 2]), np.array([True, False]), np.array([0, 1]))
PROVENANCE = Provenance("test", seed=5)
SUFFIXES = ("parquet", "csv", "json")


def embeddings(dtype: type = np.float32) -> EmbeddingSet:
    return EmbeddingSet(IDS, np.eye(3, 4, dtype=dtype), np.array([1.5, 2, 3]), "sface")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scores(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s.{suffix}"
    columns = {"pose": np.ones(3), "face": np.zeros(3, int), "path": np.array(["a", "b", "c"])}
    store.write_scores(path, SCORES, columns=columns, provenance=PROVENANCE)
    back = store.read_scores(path)
    assert back.sample_ids.tolist() == IDS.tolist()
    assert back.values.tobytes() == SCORES.values.tobytes()
    assert (back.method, back.scale) == ("faceqan", "unit")
    assert list(read_table(path).columns)[:5] == ["sample_id", "path", "face", "score", "pose"]


def test_scores_of_other_programs(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("score,remark,sample_id\n1,x,a\n2.5,y,b\n")
    scores = store.read_scores(tmp_path / "mine.csv")
    assert scores.sample_ids.tolist() == ["a", "b"]
    assert scores.values.tolist() == [1, 2.5]
    assert (scores.method, scores.scale) == ("mine", "native")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1\nb,nan\nc,inf\n", r"s\.csv: quality scores of s must be finite: NaN or infinite at b, c"),
        ("a,1\nb,2\na,3\n", r"s\.csv: sample_ids must be unique, repeated: a"),
        ("a,1\n,2\n", r"s\.csv: sample_ids holds an empty id at row 1"),
        ("a,one\n", r"s\.csv: score must be a number, got 'one' at lines 2"),
    ],
)
def test_malformed_scores(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "s.csv").write_text(f"sample_id,score\n{rows}")
    with pytest.raises(DataError, match=message) as caught:
        store.read_scores(tmp_path / "s.csv")
    assert str(caught.value).count("s.csv") == 1


def test_scores_and_embeddings_of_other_samples(tmp_path: Path) -> None:
    store.write_scores(tmp_path / "s.csv", QualityScores(np.array(["x", *IDS[1:]]), np.arange(3), "m"))
    store.write_embeddings(tmp_path / "emb", embeddings(), samples=SAMPLES, provenance=PROVENANCE)
    scores, vectors = store.read_scores(tmp_path / "s.csv"), store.read_embeddings(tmp_path / "emb")
    with pytest.raises(DataError, match=r"quality scores of m: 1 of 3 ids are missing, first ada/1\.jpg"):
        scores.at(vectors.sample_ids)
    with pytest.raises(DataError, match="embeddings of sface: 1 of 3 ids are missing, first x"):
        vectors.at(scores.sample_ids)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("paths", [True, False])
def test_samples(tmp_path: Path, suffix: str, paths: bool) -> None:
    samples = SAMPLES if paths else SampleSet(SAMPLES.sample_ids, SAMPLES.subject_ids)
    store.write_samples(tmp_path / f"s.{suffix}", samples, columns={"severity": np.arange(3) / 7})
    back = store.read_samples(tmp_path / f"s.{suffix}")
    assert back.sample_ids.tolist() == IDS.tolist()
    assert back.subject_ids.tolist() == ["ada", "ada", "bob"]
    assert (back.paths is not None) == paths
    assert paths == (back.paths is not None and back.paths.tolist() == ["p/1", "p/2", "p/3"])


def test_two_samples_of_one_id(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("sample_id,subject_id\na,x\na,y\n")
    with pytest.raises(DataError, match=r"s\.csv: sample_ids must be unique, repeated: a"):
        store.read_samples(tmp_path / "s.csv")


@pytest.mark.parametrize(("dtype", "half"), [(np.float32, False), (np.float16, False), (np.float32, True)])
def test_embeddings_are_mapped(tmp_path: Path, dtype: type, half: bool) -> None:
    failures = [Failure("ada/3.jpg", "embed", "no_face", "none")]
    folder = tmp_path / "emb"
    for _ in range(2):
        store.write_embeddings(
            folder, embeddings(dtype), samples=SAMPLES, provenance=PROVENANCE, failures=failures, half=half
        )
    back = store.read_embeddings(folder)
    assert isinstance(back.vectors, np.memmap)
    assert back.vectors.dtype == (np.float16 if half else dtype)
    np.testing.assert_array_equal(back.vectors, np.eye(3, 4))
    np.testing.assert_array_equal(back.norms, [1.5, 2, 3])
    assert back.recogniser == "sface"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("failures.csv", "header.json", "samples.parquet", "vectors.npy")
    ]
    assert store.read_failures(folder / "failures.csv") == failures
    assert store.read_samples(folder / "samples.parquet").subject_ids.tolist() == ["ada", "ada", "bob"]
    assert Provenance.from_json(store.read_json(folder / "header.json")["provenance"]) == PROVENANCE
    assert [path.name for path in tmp_path.iterdir()] == ["emb"]


def test_embeddings_follow_their_own_order(tmp_path: Path) -> None:
    shuffled = SAMPLES.at(IDS[[2, 0, 1]])
    store.write_embeddings(tmp_path / "emb", embeddings(), samples=shuffled, provenance=PROVENANCE)
    assert store.read_samples(tmp_path / "emb" / "samples.parquet").sample_ids.tolist() == IDS.tolist()
    few = SampleSet(IDS[:2], IDS[:2])
    with pytest.raises(DataError, match="samples: 1 of 3 ids are missing, first bob, the 2nd"):
        store.write_embeddings(tmp_path / "emb2", embeddings(), samples=few, provenance=PROVENANCE)


def test_damaged_embeddings(tmp_path: Path) -> None:
    folder = tmp_path / "emb"
    with pytest.raises(DataError, match=r"header\.json cannot be read: No such file"):
        store.read_embeddings(folder)
    store.write_embeddings(folder, embeddings(), samples=SAMPLES, provenance=PROVENANCE)
    content = (folder / "vectors.npy").read_bytes()
    (folder / "vectors.npy").write_bytes(content[:-8])
    with pytest.raises(DataError, match=r"vectors\.npy cannot be read"):
        store.read_embeddings(folder)
    np.save(folder / "vectors.npy", np.eye(2, 4, dtype=np.float32))
    with pytest.raises(DataError, match="emb: columns must have one length, got sample_ids 3, vectors 2"):
        store.read_embeddings(folder)
    np.save(folder / "vectors.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"vectors\.npy cannot be read"):
        store.read_embeddings(folder)
    (folder / "header.json").write_text('{"crop": "arcface"}')
    with pytest.raises(DataError, match=r"names no recogniser: .*emb holds no embeddings"):
        store.read_embeddings(folder)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("folds", [True, False])
def test_pairs_and_comparisons(tmp_path: Path, suffix: str, folds: bool) -> None:
    pairs = PAIRS if folds else PairSet(IDS, PAIRS.first, PAIRS.second, PAIRS.mated)
    path = tmp_path / f"c.{suffix}"
    scores = ComparisonScores(pairs, np.array([0.1, -0.7], np.float32), "sface")
    store.write_comparisons(path, scores, provenance=PROVENANCE)
    back = store.read_comparisons(path)
    assert back.similarity.tobytes() == scores.similarity.tobytes()
    assert back.recogniser == "sface"
    assert list(read_table(path).columns)[:4] == ["first", "second", "mated", "similarity"]
    store.write_pairs(path, pairs)
    for found in (store.read_pairs(path), back.pairs):
        assert found.sample_ids[found.first].tolist() == [IDS[0], IDS[0]]
        assert found.sample_ids[found.second].tolist() == [IDS[1], IDS[2]]
        assert found.mated.tolist() == [True, False]
        assert (found.folds is None) == (not folds)
        assert found.folds is None or found.folds.tolist() == [0, 1]


def test_malformed_comparisons(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("first,second,mated,similarity\na,b,1,0.5\nc,c,0,0.1\n")
    with pytest.raises(DataError, match=r"c\.csv: pairs: a sample is paired with itself at row 1"):
        store.read_comparisons(path)
    path.write_text("first,second,mated,similarity\na,b,1,nan\n")
    with pytest.raises(DataError, match=r"c\.csv: similarity must be a finite number, got 'nan' at lines 2"):
        store.read_comparisons(path)
    path.write_text("first,second,similarity\na,b,1\n")
    with pytest.raises(DataError, match=r"c\.csv has no column 'mated'"):
        store.read_comparisons(path)
    path.write_text("first,second,mated,fold\na,b,1,0.5\n")
    with pytest.raises(DataError, match=r"c\.csv: fold must be a whole number, got '0\.5' at lines 2"):
        store.read_pairs(path)


@pytest.mark.parametrize(
    "failures", [[], [Failure("a", "crop", "no_face", 'none, "at all"'), Failure("b", "crop", "missing")]]
)
def test_failures(tmp_path: Path, failures: list[Failure]) -> None:
    store.write_failures(tmp_path / "failures.csv", failures)
    assert (tmp_path / "failures.csv").read_text().startswith("sample_id,stage,reason,message\n")
    assert store.read_failures(tmp_path / "failures.csv") == failures


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    store.write_json(path, {"é": [1, 0.1, None]})
    assert store.read_json(path) == {"é": [1, 0.1, None]}
    for value in (np.nan, np.arange(2)):
        with pytest.raises(DataError, match=r"a\.json: JSON cannot hold this"):
            store.write_json(path, {"x": value})
    assert json.loads(path.read_text(encoding="utf-8"))["é"][1] == 0.1
    path.write_text("[1]")
    with pytest.raises(DataError, match="must hold a JSON object, got list"):
        store.read_json(path)


def test_parquet_carries_type_producer_and_seed(tmp_path: Path) -> None:
    store.write_scores(tmp_path / "s.parquet", SCORES, provenance=PROVENANCE)
    header = json.loads(pq.read_schema(tmp_path / "s.parquet").metadata[b"fiqa"])
    assert header["attributes"] == {"method": "faceqan", "scale": "unit"}
    assert header["provenance"]["kind"] == "test"
    assert header["provenance"]["seed"] == 5
