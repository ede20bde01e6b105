"""`compare`, `edc`, `calibrate` and `advise` as users run them, and what they say to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from commands import fiqa
from fiqa.core.errors import DataError, FiqaError, SettingsError
from fiqa.io.provenance import Provenance
from fiqa.io.store import (
    read_calibration,
    read_comparisons,
    write_comparisons,
    write_embeddings,
    write_samples,
    write_scores,
)
from fiqa.pipeline.edc import Edc
from synthetic import make_comparisons, make_embeddings, make_quality, make_samples

WORKED = ((0.9, 1), (0.2, 1), (0.8, 2), (0.3, 3), (0.7, 3), (0.6, 4))


@pytest.fixture
def worked(tmp_path: Path) -> Path:
    """Six mated pairs without a common sample; the second sample of each is better by 1."""
    rows = [f"a{n},b{n},1,{similarity}" for n, (similarity, _) in enumerate(WORKED)]
    (tmp_path / "c.csv").write_text("\n".join(["first,second,mated,similarity", *rows]) + "\n")
    scores = [f"{side}{n},{q + (side == 'b')}" for n, (_, q) in enumerate(WORKED) for side in "ab"]
    (tmp_path / "q.csv").write_text("\n".join(["sample_id,score", *scores]) + "\n")
    return tmp_path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 subjects of 5 images: comparisons, scores, samples and groups."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    samples = make_samples(30, 5)
    comparisons, usefulness = make_comparisons(samples, rng, n_non_mated=2000)
    write_comparisons(folder / "c.parquet", comparisons)
    quality = make_quality(samples, usefulness + 0.3 * rng.normal(size=150), "made-up")
    write_scores(folder / "q.csv", quality)
    write_samples(
        folder / "samples.csv", samples, columns={"sex": np.where(samples.subject_codes() % 2, "f", "m")}
    )
    return folder


def edc(folder: Path, *words: object, comparisons: str = "c.csv") -> dict:
    files = ("--comparisons", folder / comparisons, "--quality", folder / "q.csv")
    fiqa("edc", *files, *words, "--json", folder / "out.json")
    return json.loads((folder / "out.json").read_text())


def test_the_worked_vector(worked: Path) -> None:
    found = edc(worked, "--threshold", 0.5, "--limit", 0.5)
    assert found["discard"] == pytest.approx([0, 1 / 3, 1 / 2, 5 / 6])
    assert found["error"] == pytest.approx([1 / 3, 1 / 4, 1 / 3, 0])
    assert (found["threshold"], found["fnmr0"], found["convention"]) == (0.5, pytest.approx(1 / 3), "iso")
    areas = found["areas"]
    assert areas["raw"] == pytest.approx(0.152778, abs=1e-6)
    assert areas["mean"] == pytest.approx(0.305556, abs=1e-6)
    assert areas["normalised"] == pytest.approx(0.916667, abs=1e-6)
    assert areas["excess"] == pytest.approx(0.152778 - (1 / 3 + 2 / 3 * np.log(2 / 3)), abs=1e-6)
    assert [warning.partition(":")[0] for warning in found["warnings"]] == ["few_errors"]
    closed = edc(worked, "--threshold", 0.5, "--limit", 0.5, "--convention", "fiqat")
    assert (closed["discard"][-1], closed["error"][-1], closed["n_kept"][-1]) == (1, 0, 0)
    assert closed["areas"]["excess"] == pytest.approx(0.152778 - 0.055556, abs=1e-6)


def test_what_was_found_is_told(worked: Path) -> None:
    warned = edc(worked, "--threshold", 0.5, "--limit", 0.5)["warnings"]
    stage = Edc(comparisons=worked / "c.csv", quality=worked / "q.csv", output=worked / "out.json")
    told = "FNMR 33.33% before discarding; normalised pAUC to 0.5: 0.917"
    assert stage.found().splitlines() == [told, *warned]
    edc(worked, "--threshold", 0.1, "--limit", 0.5)
    assert stage.found().splitlines()[0] == "FNMR 0.00% before discarding"


@pytest.mark.parametrize("name", ["iso", "published-2023", "cr-fiqa", "magface", "fiqat", "lightqnet"])
def test_every_convention(study: Path, name: str) -> None:
    found = edc(study, "--fmr", 0.01, "--limit", 0.2, "--convention", name, comparisons="c.parquet")
    assert found["convention"] == found["drawn_by"]["name"] == name
    assert found["discard"][0] == 0
    assert found["error"][0] == found["fnmr0"] > 0
    assert len(found["discard"]) == len(found["error"]) == len(found["n_kept"])
    assert found["areas"]["limit"] == 0.2
    assert (found["areas"]["excess"] is None) == (found["drawn_by"]["threshold"] == "rederived")
    assert set(found["provenance"]["inputs"]) == {"comparisons", "quality"}
    assert (found["n_mated"], found["n_non_mated"]) == (300, 2000)


def test_intervals_groups_and_training(study: Path) -> None:
    found = edc(
        *(study, "--fmr", 0.01, "--replicates", 30, "--seed", 1, "--samples", study / "samples.csv"),
        *("--groups", study / "samples.csv", "--group-column", "sex", "--trained-on", study / "samples.csv"),
        comparisons="c.parquet",
    )
    for kind, interval in found["intervals"].items():
        assert interval["low"] <= interval["estimate"] <= interval["high"]
        assert interval["estimate"] == pytest.approx(found["areas"][kind])
    assert set(found["intervals"]) == {"raw", "mean", "normalised", "excess"}
    assert (found["n_subjects"], found["subjects_from"]) == (30, "samples file")
    assert [group["name"] for group in found["groups"]] == ["f", "m"]
    assert sum(group["n_mated"] for group in found["groups"]) == 300
    assert "trained on samples.csv was trained on 30 of the 30 subjects" in found["warnings"][-1]
    inferred = edc(study, "--fmr", 0.01, "--replicates", 5, comparisons="c.parquet")
    assert (inferred["n_subjects"], inferred["subjects_from"]) == (30, "samples linked by mated pairs")
    false_matches = edc(study, "--fmr", 0.05, "--error", "fmr", "--replicates", 5, comparisons="c.parquet")
    assert false_matches["fmr0"] == 0.05


def test_compare_writes_what_edc_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    embeddings, samples = make_embeddings([4] * 8, rng, spread=1.0)
    write_embeddings(tmp_path / "emb", embeddings, samples=samples, provenance=Provenance("embeddings"))
    for suffix in ("csv", "parquet"):
        fiqa(
            "compare", tmp_path / "emb", "--pairs", "all:3", "-o", tmp_path / f"c.{suffix}", "--non-mated", 50
        )
    one, other = (read_comparisons(tmp_path / f"c.{suffix}") for suffix in ("csv", "parquet"))
    assert np.array_equal(one.similarity, other.similarity)
    assert (len(one.mated), len(one.non_mated), one.recogniser) == (24, 50, "made-up")
    vectors = embeddings.at(one.pairs.sample_ids).vectors
    expected = np.sum(vectors[one.pairs.first] * vectors[one.pairs.second], axis=1)
    np.testing.assert_allclose(one.similarity, expected, atol=1e-6)


def test_compare_names_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    embeddings, samples = make_embeddings([1] * 3, np.random.default_rng(0))
    write_embeddings(tmp_path / "emb", embeddings, samples=samples, provenance=Provenance("embeddings"))
    (tmp_path / "pairs.csv").write_text("first,second,mated\ns0,s1,0\ns2,gone,0\n")
    command = (
        "compare",
        tmp_path / "emb",
        "--pairs",
        f"csv:{tmp_path / 'pairs.csv'}",
        "-o",
        tmp_path / "c.csv",
    )
    with pytest.raises(DataError, match="neither at hand nor among the failures: gone"):
        fiqa(*command)
    fiqa(*command, "--absent", "skip")
    assert "pairs.csv: 1 pairs left out, without gone" in caplog.text
    assert len(read_comparisons(tmp_path / "c.csv")) == 1


@pytest.fixture(scope="module")
def calibration(study: Path) -> Path:
    path = study / "calibration.json"
    fiqa(
        *("calibrate", "--comparisons", study / "c.parquet", "--quality", study / "q.csv", "--fmr", 0.01),
        *("--samples", study / "samples.csv", "--groups", study / "samples.csv", "--group-column", "sex"),
        *("--replicates", 200, "-o", path),
    )
    return path


def test_calibrating(calibration: Path) -> None:
    known = read_calibration(calibration)
    assert (known.method, known.recogniser, known.reference, known.n_subjects) == (
        "made-up",
        "made-up",
        "q",
        30,
    )
    low, high = known.expected_fnmr([-2.0, 2.0])
    assert low > 0.3 > 0.1 > high
    assert known.percentile(0.0) == pytest.approx(50, abs=12)
    provenance = json.loads(calibration.read_text())["provenance"]
    assert set(provenance["inputs"]) == {"comparisons", "quality", "samples", "groups"}
    assert (provenance["seed"], set(known.groups)) == (0, {"f", "m"})


@pytest.mark.parametrize(
    "goal",
    [("--halve-fnmr",), ("--keep", "95%"), ("--keep", "0.95"), ("--fnmr", "10%"), ("--fnmr", "0.1")],
    ids=str,
)
def test_advice(calibration: Path, goal: tuple[str, ...]) -> None:
    advice = json.loads(fiqa("advise", "--calibration", calibration, *goal, "--json"))
    choice = advice["choice"]
    if goal[0] == "--keep":
        assert choice["samples_kept"] == pytest.approx(0.95, abs=0.01)
    else:
        target = advice["start"]["fnmr"] / 2 if goal[0] == "--halve-fnmr" else 0.1
        assert advice["supported"]
        assert 0 < choice["fnmr"] <= target
    assert set(choice["groups"]) == {"f", "m"}
    text = fiqa("advise", "--calibration", calibration, *goal)
    for words in ("score threshold", "subjects without a sample", "group f", "95% band", "samples file"):
        assert words in text


def test_advice_that_the_data_cannot_support(calibration: Path) -> None:
    advice = json.loads(fiqa("advise", "--calibration", calibration, "--fnmr", "0.0001%", "--json"))
    assert (advice["supported"], bool(advice["reasons"])) == (False, True)
    text = fiqa("advise", "--calibration", calibration, "--fnmr", "0.0001%")
    assert "supported by the data        NO" in text
    with pytest.raises(SettingsError, match=r"expected a share such as 95% or 0\.95, got '95'"):
        fiqa("advise", "--calibration", calibration, "--keep", "95")
    with pytest.raises(SettingsError, match="ask for one thing"):
        fiqa("advise", "--calibration", calibration)
    with pytest.raises(DataError, match=r"q\.csv is no JSON"):
        fiqa("advise", "--calibration", calibration.parent / "q.csv", "--keep", "95%")


BAD = {
    "not a number": ("c", "0.9", "nan", r"c\.csv: similarity must be a finite number, got 'nan' at lines 2"),
    "infinite": ("c", "0.9", "inf", "got 'inf' at lines 2"),
    "text": ("c", "0.9", "high", "similarity must be a number, got 'high' at lines 2"),
    "mated 2": ("c", "a0,b0,1", "a0,b0,2", "mated must be 0 or 1, got '2' at lines 2"),
    "no column": ("c", "similarity", "score", "has no column 'similarity'; there are: first, second, mated"),
    "twice": ("c", "a1,b1,1,0.2", "a0,b0,1,0.2", "1 pairs are compared more than once: a0 with b0"),
    "with itself": ("c", "a1,b1", "b1,b1", "a sample is paired with itself at row 1"),
    "no score": ("q", "a3,3\n", "", "1 of 12 ids are missing, first a3"),
    "score nan": ("q", "a3,3", "a3,nan", r"q\.csv: quality scores of q must be finite.* at a3"),
    "score inf": ("q", "a3,3", "a3,-inf", "must be finite: NaN or infinite at a3"),
    "score twice": ("q", "a3,3", "a2,3", "sample_ids must be unique, repeated: a2"),
    "no score column": ("q", "score", "quality", "has no column 'score'; there are: sample_id, quality"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("command", ["edc", "calibrate"])
def test_bad_input_is_named(worked: Path, case: str, command: str) -> None:
    name, old, new, message = BAD[case]
    path = worked / f"{name}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FiqaError, match=message):
        fiqa(
            *(command, "--comparisons", worked / "c.csv", "--quality", worked / "q.csv", "--threshold", 0.5),
            *("-o", worked / "out.json"),
        )
    assert not (worked / "out.json").exists()


@pytest.mark.parametrize(
    ("mated", "similarity", "message"),
    [
        (1, None, "no non-mated comparison: an FMR needs some; give a threshold instead"),
        (0, None, "no mated comparison: the FNMR is undefined"),
        (1, 0.5, r"all 6 similarities of c equal 0\.5: they order nothing"),
    ],
)
def test_comparisons_of_one_kind_or_value(
    worked: Path, mated: int, similarity: float | None, message: str
) -> None:
    rows = [f"a{n},b{n},{mated},{similarity or value}" for n, (value, _) in enumerate(WORKED)]
    (worked / "c.csv").write_text("\n".join(["first,second,mated,similarity", *rows]))
    with pytest.raises(DataError, match=message):
        edc(worked, "--fmr", 0.1)


def test_scores_of_one_value_and_no_rows_at_all(worked: Path) -> None:
    scores = [f"{side}{n},7" for n in range(6) for side in "ab"]
    (worked / "q.csv").write_text("\n".join(["sample_id,score", *scores]))
    with pytest.raises(DataError, match="all 12 quality scores of q equal 7: they order nothing"):
        edc(worked, "--threshold", 0.5)
    (worked / "c.csv").write_text("first,second,mated,similarity\n")
    with pytest.raises(DataError, match="there are no comparisons"):
        edc(worked, "--threshold", 0.5)


def test_settings_out_of_range(worked: Path) -> None:
    for words, message in (
        (("--threshold", 0.5, "--limit", 1.5), r"limit must lie in \(0, 1\], got 1.5"),
        (("--threshold", 0.5, "--convention", "isoo"), "did you mean iso"),
        (("--threshold", 0.5, "--convention", "cr-fiqa"), r"hold it fixed, got 0\.5 with cr-fiqa"),
        (("--threshold", 0.5, "--groups", worked / "q.csv"), "has no column 'group'"),
        (
            ("--threshold", 0.5, "--samples", worked / "q.csv", "--replicates", 5),
            "has no column 'subject_id'",
        ),
    ):
        with pytest.raises(FiqaError, match=message):
            edc(worked, *words)


def test_a_pair_compared_both_ways_is_named(worked: Path) -> None:
    with (worked / "c.csv").open("a") as file:
        file.write("b0,a0,1,0.9\n")
    assert (
        "swapped_pairs: 1 pairs are compared both ways round"
        in edc(worked, "--threshold", 0.5)["warnings"][1]
    )
