"""Each stage on real faces, as a user runs it, and what it says to bad input."""

from __future__ import annotations

import itertools
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from commands import fiqa, table
from fiqa.core.errors import DataError, SettingsError, WeightsError
from fiqa.io.crops import CropFolder
from fiqa.io.store import read_embeddings, read_failures, read_scores, write_scores
from packed import write_bin

pytestmark = pytest.mark.faces


@pytest.fixture(scope="module")
def work(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops, embeddings, base labels and optimised labels of the photographs."""
    folder = tmp_path_factory.mktemp("work")
    fiqa("crop", photos, "-o", folder / "crops", "--degrade", "0.5", "--seed", "0")
    fiqa("embed", folder / "crops", "-o", folder / "emb", "--recogniser", "sface")
    fiqa("label", folder / "emb", "-o", folder / "labels.parquet", "--method", "sdd_fiqa", "--seed", "0")
    fiqa(
        *("optimize", folder / "labels.parquet", "--embeddings", folder / "emb"),
        *(
            "-o",
            folder / "optimised.parquet",
            "--preset",
            "recommended",
            "--diagnostics",
            folder / "diag.json",
        ),
    )
    return folder


def test_crop_keeps_every_face_and_says_what_it_did_to_it(work: Path) -> None:
    folder = CropFolder.open(work / "crops")
    crops = folder.load(slice(None))
    assert len(folder) + len(folder.failures) == 60
    assert len(folder) >= 58
    assert crops.images.shape[1:] == (112, 112, 3)
    assert crops.landmarks is not None
    eyes = crops.landmarks[:, :2].mean(axis=(0, 1))
    np.testing.assert_allclose(eyes, [55.9, 51.6], atol=3)
    assert set(folder.samples.subject_ids) == {f"s{n}" for n in range(1, 7)}


def test_embeddings_tell_subjects_apart(work: Path) -> None:
    embeddings = read_embeddings(work / "emb")
    subjects = np.array([name.partition("/")[0] for name in embeddings.sample_ids])
    similarity = np.asarray(embeddings.vectors) @ np.asarray(embeddings.vectors).T
    mated = subjects[:, None] == subjects[None]
    np.fill_diagonal(mated, val=False)
    assert similarity[mated].mean() > similarity[~mated].mean() + 0.3


def test_optimising_keeps_the_values_and_moves_the_order(work: Path) -> None:
    base, optimised = read_scores(work / "labels.parquet"), read_scores(work / "optimised.parquet")
    np.testing.assert_array_equal(np.sort(base.values), np.sort(optimised.values))
    assert not np.array_equal(base.values, optimised.at(base.sample_ids))
    assert json.loads((work / "diag.json").read_text())["n_subjects"] == 6


def test_photos_and_their_crops_give_the_same_embedding(photos: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    shutil.copytree(photos / "s1", small / "s1")
    fiqa("crop", small, "-o", tmp_path / "crops")
    fiqa("embed", tmp_path / "crops", "-o", tmp_path / "a")
    fiqa("embed", small, "-o", tmp_path / "b")
    np.testing.assert_allclose(
        read_embeddings(tmp_path / "a").vectors, read_embeddings(tmp_path / "b").vectors, atol=1e-5
    )


def test_score_writes_the_columns_that_users_expect(photos: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    shutil.copytree(photos / "s1", small / "s1")
    (small / "s1" / "note.png").write_text("no picture")
    output = tmp_path / "scores.csv"
    fiqa("score", small, "-o", output, "--method", "embedding_norm", "--recogniser", "sface")
    rows = table(output)
    assert list(rows[0])[:4] == ["sample_id", "path", "face", "score"]
    assert [row["sample_id"] for row in rows[:2]] == ["s1/1.png", "s1/10.png"]
    assert Path(rows[0]["path"]).is_file()
    assert read_failures(tmp_path / "scores.failures.csv")[0].reason == "not_an_image"


def test_training_and_scoring_with_the_model(work: Path, tmp_path: Path) -> None:
    fiqa(
        *("train", work / "crops", "--labels", work / "optimised.parquet", "--recogniser", "sface"),
        *("-o", tmp_path / "regressor", "--epochs", 12, "--batch-size", 16, "--validation-fraction", "0.17"),
    )
    log = [json.loads(line) for line in (tmp_path / "regressor" / "log.jsonl").read_text().splitlines()]
    assert len(log) == 24
    assert log[-1]["train_loss"] < 0.2 * log[0]["train_loss"]
    fiqa("score", work / "crops", "-o", tmp_path / "s.parquet", "--model", tmp_path / "regressor")
    labels = read_scores(work / "optimised.parquet")
    assert read_scores(tmp_path / "s.parquet").sample_ids.tolist() == labels.sample_ids.tolist()


def test_training_by_the_objective_of_a_method(work: Path, tmp_path: Path) -> None:
    fiqa(
        *("train", work / "crops", "--objective", "pcnet", "--embeddings", work / "emb"),
        *("--option", "samples_per_subject=5", "--option", "scaling=raw", "-o", tmp_path / "pcnet"),
        *("--epochs", 6, "--batch-size", 10, "--validation-fraction", "0.17"),
    )
    header = json.loads((tmp_path / "pcnet" / "header.json").read_text())["provenance"]
    assert set(header["inputs"]) == {"crops", "embeddings"}
    assert header["settings"]["option"] == ["samples_per_subject=5", "scaling=raw"]
    fiqa("score", work / "crops", "-o", tmp_path / "s.parquet", "--model", tmp_path / "pcnet")
    fiqa("label", work / "emb", "-o", tmp_path / "m.parquet", "--method", "mated_similarity")
    scores, similarity = read_scores(tmp_path / "s.parquet"), read_scores(tmp_path / "m.parquet")
    assert scores.values.min() > 0
    assert scores.values.max() < 1
    assert np.corrcoef(scores.at(similarity.sample_ids), similarity.values)[0, 1] > 0.4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --labels to learn or the --objective of a method"),
        (["--labels", "{labels}", "--embeddings", "{emb}"], "--embeddings are for an --objective"),
        (["--labels", "{labels}", "--option", "theta=0.1"], "--option and --embeddings are for an"),
        (["--objective", "pcnet"], "objective pcnet needs embeddings; give --embeddings"),
        (["--objective", "ediffiqa", "--embeddings", "{emb}"], "ediffiqa needs labels; give --labels"),
        (["--objective", "magface", "--labels", "{labels}"], "magface does not use labels"),
        (["--objective", "magface", "--loss", "l1"], "--loss and --targets are for labels"),
        (["--objective", "magface", "--targets", "rank"], "--loss and --targets are for labels"),
        (["--objective", "magface", "--head", "mlp"], "magface trains a head norm, got 'mlp'"),
        (["--objective", "magface", "--option", "longest"], "takes NAME=VALUE, got 'longest'"),
        (["--objective", "magface", "--option", "longest=9"], "longest must be a number above 10"),
        (["--objective", "magface", "--option", "longest=far"], "longest must be a number above 10"),
        (["--objective", "magfase"], "did you mean magface"),
        (["--objective", "sdd_fiqa"], "sdd_fiqa has no objective of its own"),
    ],
)
def test_settings_of_training_that_do_not_go_together(
    words: list[str], message: str, work: Path, tmp_path: Path
) -> None:
    places = {"labels": work / "labels.parquet", "emb": work / "emb"}
    with pytest.raises(SettingsError, match=message):
        fiqa("train", work / "crops", "-o", tmp_path / "r", *(word.format(**places) for word in words))
    assert not list(tmp_path.iterdir())


def test_evaluate_writes_the_report(work: Path, tmp_path: Path) -> None:
    fiqa("score", work / "crops", "-o", tmp_path / "norm.csv", "--method", "embedding_norm")
    pairs = ["first,second,mated,fold"]
    pairs += [f"s{n}/1.png,s{n}/2.png,1,{n}\ns{n}/1.png,s{n % 6 + 1}/2.png,0,{n}" for n in range(1, 7)]
    (tmp_path / "pairs.csv").write_text("\n".join(pairs))
    verified = tmp_path / "verified.json"
    fiqa("verify", work / "crops", "--pairs", f"csv:{tmp_path / 'pairs.csv'}", "-o", verified)
    fiqa(
        *("evaluate", "--scores", f"norm={tmp_path / 'norm.csv'}", "--scores", work / "labels.parquet"),
        *("--embeddings", work / "emb", "--pairs", "all", "-o", tmp_path / "report", "--fmr", "0.01"),
        *("--crops", work / "crops", "--replicates", 50, "--verification", verified),
        *("--base-labels", work / "labels.parquet", "--optimised-labels", work / "optimised.parquet"),
        *("--diagnostics", work / "diag.json", "--label-crops", work / "crops"),
    )
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<svg" in page or "data:image" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert len(results["test_beds"][0]["evaluations"]) == 2
    (shown,) = results["verifications"]
    assert shown.items() <= json.loads(verified.read_text()).items()
    assert (shown["recogniser"], shown["n_images"], shown["n_mated"]) == ("sface", 12, 6)
    assert "<h2>Recognisers</h2>" in page
    assert (tmp_path / "report" / "curves.csv").stat().st_size > 1000


def test_several_faces_get_a_row_each(photos: Path, tmp_path: Path) -> None:
    from fiqa.io.images import read_image, write_image

    one, two = (np.kron(read_image(photos / f"s{n}" / "1.png"), np.ones((2, 2, 1), np.uint8)) for n in (1, 2))
    write_image(tmp_path / "pair" / "both.png", np.concatenate([one, two], axis=1))
    fiqa(
        "score", tmp_path / "pair", "-o", tmp_path / "all.csv", "--method", "embedding_norm", "--face", "all"
    )
    rows = table(tmp_path / "all.csv")
    assert [(row["sample_id"], row["face"]) for row in rows] == [("both.png", "0"), ("both.png#1", "1")]
    with pytest.raises(DataError, match="no usable face"):
        fiqa("crop", tmp_path / "pair", "-o", tmp_path / "c", "--strict")


def test_a_killed_run_goes_on_and_ends_the_same(photos: Path, tmp_path: Path) -> None:
    listing = tmp_path / "many.csv"
    names = [f"{folder.name}/{path.name}" for folder in sorted(photos.iterdir()) for path in folder.iterdir()]
    with listing.open("w") as file:
        file.write("sample_id,subject_id,path\n")
        for copy in range(9):
            file.writelines(f"{copy}-{name},{copy},{photos / name}\n" for name in names)
    command = [sys.executable, "-m", "fiqa", "embed", str(listing), "-o"]
    killed = subprocess.Popen([*command, str(tmp_path / "killed")])
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".parts-killed/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed").exists()
    first = next(iter(sorted(tmp_path.glob(".parts-killed/*.npz")))).stat().st_mtime_ns
    subprocess.run([*command, str(tmp_path / "killed")], check=True)
    assert not (tmp_path / ".parts-killed").exists()
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    for file in ("vectors.npy", "failures.csv"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert (tmp_path / "killed" / "vectors.npy").stat().st_mtime_ns > first


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["crop", "{empty}", "-o", "{out}"], DataError, "holds no image"),
        (["crop", "{texts}", "-o", "{out}"], DataError, "holds no image; looked for names"),
        (["crop", "{gone}", "-o", "{out}"], DataError, "does not exist"),
        (["crop", "{photos}", "-o", "{out}", "--degrade", "2"], SettingsError, "share"),
        (["embed", "{photos}", "-o", "{out}", "--recogniser", "sfcae"], SettingsError, "did you mean sface"),
        (["embed", "{crops}", "-o", "{out}", "--recogniser", "onnx:x.onnx"], SettingsError, "contract"),
        (["embed", "{crops}", "-o", "{out}", "--weights", "{labels}"], WeightsError, "has SHA-256"),
        (["label", "{emb}", "-o", "{out}", "--method", "ser_fiq"], SettingsError, "needs no subjects"),
        (
            ["score", "{photos}", "-o", "{out}", "--method", "classical", "--model", "a/"],
            SettingsError,
            "either --method or --model",
        ),
        (["score", "{photos}", "-o", "{out}", "--method", "pcnet"], SettingsError, "cannot score"),
        (["score", "{photos}", "-o", "{photos}", "--method", "classical"], DataError, "would be lost"),
        (["optimize", "{labels}", "-o", "{out}"], SettingsError, "needs --embeddings"),
        (["optimize", "{nan}", "--embeddings", "{emb}", "-o", "{out}"], DataError, "finite"),
        (["optimize", "{fewer}", "--embeddings", "{emb}", "-o", "{out}"], DataError, "ids are missing"),
        (
            ["optimize", "{labels}", "--embeddings", "{emb}", "-o", "{out}", "--epsilon", "0"],
            SettingsError,
            r"epsilon must lie in \(0, 1\]",
        ),
        (["train", "{crops}", "--labels", "{fewer}", "-o", "{out}"], DataError, "ids are missing"),
        (["train", "{emb}", "--labels", "{labels}", "-o", "{out}"], DataError, "holds no crops"),
        (["evaluate", "--scores", "{fewer}", "--embeddings", "{emb}", "-o", "{out}"], DataError, "missing"),
        (
            ["evaluate", "--scores={labels}", "--embeddings={emb}", "--verification={diag}", "-o", "{out}"],
            DataError,
            r"diag\.json: this is no verification of a recogniser",
        ),
        (
            ["evaluate", "--scores", "{labels}", "--embeddings", "{emb}", "--pairs", "all:x", "-o", "{out}"],
            SettingsError,
            "all:K",
        ),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(
    words: list[str], error: type[Exception], message: str, work: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    labels = read_scores(work / "labels.parquet")
    rows = [f"{name},{value}" for name, value in zip(labels.sample_ids, labels.values, strict=True)]
    (tmp_path / "nan.csv").write_text(
        "\n".join(["sample_id,score", *rows[:-1], f"{labels.sample_ids[-1]},nan"])
    )
    (tmp_path / "fewer.csv").write_text("\n".join(["sample_id,score", *rows[:-5]]))
    places = {
        "out": tmp_path / "out.csv",
        "photos": photos,
        "crops": work / "crops",
        "emb": work / "emb",
        "labels": work / "labels.parquet",
        "diag": work / "diag.json",
        **{name: tmp_path / name for name in ("empty", "texts", "gone")},
        **{name: tmp_path / f"{name}.csv" for name in ("nan", "fewer")},
    }
    with pytest.raises(error, match=message):
        fiqa(*(word.format(**places) for word in words))
    assert not (tmp_path / "out.csv").exists()


def test_an_expected_error_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fiqa", "crop", str(tmp_path), "-o", str(tmp_path / "c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error:")
    assert "Traceback" not in done.stderr


def test_labels_for_other_samples_do_not_disturb(work: Path, tmp_path: Path) -> None:
    labels = read_scores(work / "labels.parquet")
    more = type(labels)(
        np.append(labels.sample_ids, "stranger"), np.append(labels.values, 1.0), labels.method, labels.scale
    )
    write_scores(tmp_path / "more.parquet", more)
    fiqa("optimize", tmp_path / "more.parquet", "--embeddings", work / "emb", "-o", tmp_path / "o.parquet")
    assert len(read_scores(tmp_path / "o.parquet")) == len(labels)


def test_samples_without_a_label_are_left_out_on_request(work: Path, tmp_path: Path) -> None:
    labels = read_scores(work / "labels.parquet")
    kept = type(labels)(labels.sample_ids[5:], labels.values[5:], labels.method, labels.scale)
    write_scores(tmp_path / "fewer.parquet", kept)
    skip = ("--unlabelled", "skip")
    fiqa(
        "optimize", tmp_path / "fewer.parquet", "--embeddings", work / "emb", "-o", tmp_path / "o.csv", *skip
    )
    assert set(read_scores(tmp_path / "o.csv").sample_ids) == set(kept.sample_ids)
    fiqa(
        "train",
        work / "crops",
        "--labels",
        tmp_path / "o.csv",
        "-o",
        tmp_path / "r",
        "--epochs",
        1,
        "--batch-size",
        8,
        *skip,
    )
    assert (tmp_path / "r" / "regressor.pt").is_file()


@pytest.mark.parametrize("mode", ["sampled", "expected"])
def test_published_pickles_in_and_out(mode: str, work: Path, tmp_path: Path) -> None:
    embeddings, labels = read_embeddings(work / "emb"), read_scores(work / "labels.parquet")
    names = embeddings.sample_ids.tolist()
    clusters: dict[str, dict[int, list[str]]] = {}
    for place, name in enumerate(names):
        clusters.setdefault(name.partition("/")[0], {}).setdefault(place % 4, []).append(name)
    published = {
        "emb": dict(zip(names, 7 * np.asarray(embeddings.vectors), strict=True)),
        "quality": dict(zip(names, labels.at(embeddings.sample_ids).tolist(), strict=True)),
        "clusters": clusters,
    }
    for name, mapping in published.items():
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(mapping))
    fiqa(
        *("optimize", "--from-pickles", *(tmp_path / f"{name}.pkl" for name in published)),
        *("-o", tmp_path / "out.pkl", "--mode", mode, "--epsilon", "0.05", "--seed", "0"),
    )
    out = pickle.loads((tmp_path / "out.pkl").read_bytes())
    assert sorted(out.values()) == sorted(published["quality"].values())
    assert set(out) == set(names)
    assert out != published["quality"]


def test_degraded_crops_depend_on_seed_and_name_alone(photos: Path, tmp_path: Path) -> None:
    for subject in ("s1", "s4"):
        shutil.copytree(photos / subject, tmp_path / "two" / subject)
    shutil.copytree(photos / "s4", tmp_path / "one" / "s4")
    for source, name in (("two", "a"), ("two", "again"), ("one", "part")):
        fiqa("crop", tmp_path / source, "-o", tmp_path / name, "--degrade", 1, "--seed", 1)
    part = CropFolder.open(tmp_path / "part")
    whole = CropFolder.open(tmp_path / "a")
    for sample_id in part.samples.sample_ids:
        content = [(tmp_path / name / f"{sample_id}.png").read_bytes() for name in ("a", "again", "part")]
        assert len(set(content)) == 1, sample_id
    rows = np.isin(whole.samples.sample_ids, part.samples.sample_ids)
    assert 0 < rows.sum() < len(whole)
    for column in ("degradation", "severity"):
        np.testing.assert_array_equal(whole.table.column(column)[rows], part.table.column(column))
    assert "none" not in whole.table.texts("degradation")
    assert whole.table.numbers("severity").min() > 0


def test_a_packed_benchmark_from_end_to_end(work: Path, tmp_path: Path) -> None:
    """Mated pairs within each subject and non-mated ones across, as insightface packs them."""
    files = CropFolder.open(work / "crops").samples
    subjects = files.subject_codes()
    rows = np.arange(len(files))
    mated = [(a, b) for a in rows[:-1] for b in rows[a + 1 :] if subjects[a] == subjects[b]][::9]
    others = [(a, b) for a in rows[:-1] for b in rows[a + 1 :] if subjects[a] != subjects[b]][::97]
    pairs = [*mated, *others]
    assert files.paths is not None
    images = [Path(files.paths[row]).read_bytes() for pair in pairs for row in pair]
    path = write_bin(tmp_path / "orl.bin", images, [True] * len(mated) + [False] * len(others))
    fiqa("embed", path, "-o", tmp_path / "emb")
    fiqa("score", path, "-o", tmp_path / "norm.csv", "--method", "embedding_norm")
    assert table(tmp_path / "norm.csv")[1]["path"] == f"{path}#000001"
    fiqa(
        *("evaluate", "--scores", tmp_path / "norm.csv", "--embeddings", tmp_path / "emb"),
        *("--pairs", f"bin:{path}", "--fmr", "0.05", "--replicates", 20, "-o", tmp_path / "report"),
    )
    (bed,) = json.loads((tmp_path / "report" / "results.json").read_text())["test_beds"]
    assert (bed["benchmark"], bed["n_mated"], bed["n_non_mated"]) == ("orl.bin", len(mated), len(others))
    assert bed["n_subjects"] < bed["n_images"] / 2
    assert bed["accuracy"]["mean"] > 0.8


def test_pairs_without_an_embedding_are_refused_or_skipped(work: Path, tmp_path: Path) -> None:
    names = read_embeddings(work / "emb").sample_ids.tolist()
    rows = [f"{a},{b},{int(a[:3] == b[:3])}" for a in names[:30] for b in names[30:]]
    rows += [f"{a},{b},1" for a, b in itertools.pairwise(names[:9])]
    (tmp_path / "p.csv").write_text("\n".join(["first,second,mated", *rows, "s1/1.png,s9/77.png,0"]))
    words = ["evaluate", "--scores", work / "labels.parquet", "--embeddings", work / "emb"]
    words += ["--pairs", f"csv:{tmp_path / 'p.csv'}", "--fmr", "0.05", "--replicates", 0]
    with pytest.raises(DataError, match=r"neither at hand nor among the failures: s9/77\.png; embed them"):
        fiqa(*words, "-o", tmp_path / "report")
    fiqa(*words, "-o", tmp_path / "report", "--absent", "skip")
    assert (tmp_path / "report" / "report.html").is_file()
