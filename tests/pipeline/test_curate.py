"""`fiqa curate` on real faces, as a user runs it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageFilter

from commands import fiqa, table
from fiqa.core.errors import DataError, SettingsError
from fiqa.deploy.scorer import Scorer
from fiqa.io.images import read_image
from fiqa.pipeline.curate import Curate

pytestmark = pytest.mark.faces
SUBJECTS = ("s1", "s2", "s4", "s5")
CLASSICAL = ("--method", "classical", "--draws", 20, "--fmr", 0.01)


@pytest.fixture(scope="module")
def dataset(photos, tmp_path_factory):
    """Of each subject five photographs, a copy saved anew and two blurred ones; one without a face."""
    folder = tmp_path_factory.mktemp("curate") / "dataset"
    for subject in (folder / name for name in SUBJECTS):
        subject.mkdir(parents=True)
        for number in range(1, 6):
            shutil.copy(photos / subject.name / f"{number}.png", subject)
        Image.open(subject / "1.png").convert("L").save(subject / "copy.jpg", quality=95)
        for number in (2, 3):
            blurred = Image.open(subject / f"{number}.png").filter(ImageFilter.GaussianBlur(4))
            blurred.save(subject / f"blur{number}.png")
    Image.new("RGB", (100, 100)).save(folder / "s1" / "black.png")
    return folder


@pytest.fixture(scope="module")
def curated(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("curated")
    names = [path.relative_to(dataset).as_posix() for path in dataset.glob("*/*") if path.name != "black.png"]
    lines = [f"{name},{'odd' if int(name[1]) % 2 else 'even'}" for name in names]
    (folder / "groups.csv").write_text("\n".join(["sample_id,group", *lines]) + "\n")
    fiqa(
        *("curate", dataset, "-o", folder / "kept.csv", "--keep", 0.8, "--min-per-subject", 3),
        *("--groups", folder / "groups.csv", *CLASSICAL),
    )
    return folder


def test_blurred_images_and_copies_go(curated):
    rows = table(curated / "kept.csv")
    assert list(rows[0]) == ["sample_id", "subject_id", "score", "decision", "reason"]
    decisions = {row["sample_id"]: row["decision"] for row in rows}
    reasons = {row["sample_id"]: row["reason"] for row in rows}
    blurred = [name for name in decisions if "blur" in name]
    assert np.mean([decisions[name] == "drop" for name in blurred]) > 0.5
    sharp = [name for name in decisions if "blur" not in name and "copy" not in name]
    assert np.mean([reasons[name] == "low quality" for name in sharp]) < 0.1
    for subject in SUBJECTS:
        one, other = f"{subject}/1.png", f"{subject}/copy.jpg"
        assert f"near-duplicate of {subject}/" in reasons[one] + reasons[other]
        assert sum(row["decision"] != "drop" for row in rows if row["subject_id"] == subject) >= 3
    assert "s1/black.png" in (curated / "kept.failures.csv").read_text()


def test_a_photo_has_the_same_score_by_every_command(dataset, tmp_path):
    fiqa("score", dataset, "-o", tmp_path / "one.csv")
    fiqa("score", dataset, "--face", "all", "-o", tmp_path / "all.csv")
    fiqa("curate", dataset, "-o", tmp_path / "kept.csv", "--draws", 1, "--fmr", 0.01)
    one, every, kept = (
        {row["sample_id"]: float(row["score"]) for row in table(tmp_path / f"{name}.csv")}
        for name in ("one", "all", "kept")
    )
    assert one == kept
    assert one.items() <= every.items()
    photo = next(iter(one))
    assert Scorer().faces(read_image(dataset / photo))[0].score == pytest.approx(one[photo], abs=1e-6)


def test_the_proof_beats_chance(curated):
    summary = json.loads((curated / "kept.summary.json").read_text())
    proof = summary["proof"]
    told = Curate(dataset=curated, output=curated / "kept.csv").found()
    assert told.startswith(f"{summary['counts']['keep']} kept, {summary['counts']['flag']} flagged, ")
    assert f"FNMR {proof['distinct']['fnmr']:.2%} before, {proof['curated']['fnmr']:.2%} after, " in told
    assert proof["curated"]["fnmr"] < proof["random"]["low"]
    assert proof["p_value"] <= 2 / 21
    rows = table(curated / "kept.csv")
    assert proof["curated"]["n_samples"] == sum(row["decision"] != "drop" for row in rows)
    assert {name: summary["counts"][name] for name in ("keep", "flag", "drop")} == {
        name: sum(row["decision"] == name for row in rows) for name in ("keep", "flag", "drop")
    }
    assert sorted(group["name"] for group in summary["groups"]) == ["even", "odd"]
    assert sum(group["n_samples"] for group in summary["groups"]) == len(rows)
    assert any(group["fnmr_after"] < group["fnmr_before"] for group in summary["groups"])
    subjects = table(curated / "kept.subjects.csv")
    assert sum(int(row["n_dropped"]) for row in subjects) == summary["counts"]["drop"]
    shares = [float(row["share"]) for row in subjects]
    assert shares == sorted(shares, reverse=True)
    page = (curated / "kept.html").read_text()
    assert "Dropped as near-duplicates" in page
    assert page.count("data:image/jpeg") == summary["counts"]["drop"]


def test_two_runs_agree_and_crops_give_nearly_the_same(dataset, curated, tmp_path):
    fiqa("crop", dataset, "-o", tmp_path / "crops")
    fiqa("curate", tmp_path / "crops", "-o", tmp_path / "kept.csv", "--keep", 0.8, *CLASSICAL)
    rows, again = table(curated / "kept.csv"), table(tmp_path / "kept.csv")
    assert [row["sample_id"] for row in rows] == [row["sample_id"] for row in again]
    assert np.mean([a["decision"] == b["decision"] for a, b in zip(rows, again, strict=True)]) > 0.95
    assert "black.png" in (tmp_path / "kept.failures.csv").read_text()


def test_one_image_a_subject_has_no_proof(photos, tmp_path):
    for subject in ("s1", "s2"):
        (tmp_path / "one" / subject).mkdir(parents=True)
        shutil.copy(photos / subject / "1.png", tmp_path / "one" / subject)
    fiqa("curate", tmp_path / "one", "-o", tmp_path / "kept.csv", *CLASSICAL)
    assert {row["decision"] for row in table(tmp_path / "kept.csv")} <= {"keep", "flag"}
    summary = json.loads((tmp_path / "kept.summary.json").read_text())
    assert summary["proof"] == "no subject has two images to compare"
    assert "There is none: no subject" in (tmp_path / "kept.html").read_text()


def test_what_is_refused(dataset, photos, tmp_path):
    out = tmp_path / "kept.csv"
    with pytest.raises(SettingsError, match=r"keep in \(0, 1\]"):
        fiqa("curate", dataset / "s1", "-o", out, "--keep", 2, *CLASSICAL)
    with pytest.raises(SettingsError, match="draws must be 1 or more, got 0"):
        fiqa("curate", photos / "s1", "-o", out, "--method", "classical", "--draws", 0)
    (tmp_path / "black").mkdir()
    shutil.copy(dataset / "s1" / "black.png", tmp_path / "black")
    with pytest.raises(DataError, match="no usable face in 1 images"):
        fiqa("curate", tmp_path / "black", "-o", out, *CLASSICAL)
    (tmp_path / "g.csv").write_text("sample_id,group\nx,y\n")
    with pytest.raises(DataError, match=r"g\.csv: .*samples"):
        fiqa("curate", dataset / "s1", "-o", out, "--groups", tmp_path / "g.csv", *CLASSICAL)
    assert not out.exists()
