"""`export`, `score` by an exported model, `robustness` and `models` as users run them."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from commands import fiqa
from fiqa.core.errors import DataError, ExportError, SettingsError, WeightsError
from fiqa.core.types import FaceCrops
from fiqa.deploy import model as deployed
from fiqa.deploy.card import Card
from fiqa.io.crops import CropFolder, write_crops
from fiqa.io.provenance import Provenance
from fiqa.io.store import read_scores, write_json
from fiqa.methods.learned import Learned
from fiqa.models import checkpoint
from networks import regressor_file, tiny_recogniser
from synthetic import make_samples


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trained folder ``reg`` and 80 crops of 16 pixels, ``crops``."""
    monkeypatch.setattr(checkpoint, "load_torch_recogniser", lambda name: tiny_recogniser())
    (tmp_path / "reg").mkdir()
    regressor_file(tmp_path / "reg", tiny_recogniser())
    coarse = np.random.default_rng(0).integers(0, 256, (80, 4, 4, 3), dtype=np.uint8)
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    with write_crops(tmp_path / "crops", crop="arcface", provenance=Provenance("crops")) as writer:
        writer.add(make_samples(8, 10), FaceCrops(images))
    return tmp_path


def export(work: Path, *words: object, name: str = "out/tiny.onnx") -> Path:
    fiqa("export", work / "reg", "-o", work / name, "--crops", work / "crops", *words)
    return work / name


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_trained_folder_to_scores(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(work, "--licence", "CC0-1.0", "--terms", "made up", "--limits", "small")
    facts = json.loads((work / "out" / "card.json").read_text())
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts["name"], facts["licence"], facts["terms"]) == ("tiny", "CC0-1.0", "made up")
    assert facts["n_bytes"] == path.stat().st_size
    assert facts["training"]["recogniser"] == "tiny"
    assert (
        facts["training"]["checkpoint"]
        == hashlib.sha256((work / "reg/regressor.pt").read_bytes()).hexdigest()
    )
    assert facts["parity"]["n_crops"] == 40
    assert facts["parity"]["max_difference"] < 1e-5
    assert facts["limits"][-1] == "small"
    assert set(facts["provenance"]["inputs"]) == {"model", "crops"}
    fiqa("score", work / "crops", "--model", path, "-o", work / "s.csv")
    rows = rows_of(work / "s.csv")
    assert list(rows[0]) == [
        "sample_id",
        "path",
        "face",
        "score",
        "score100",
        "percentile",
        "method",
        "scale",
    ]
    assert {row["method"] for row in rows} == {"tiny"}
    scores = read_scores(work / "s.csv")
    expected = Learned(work / "reg" / "regressor.pt").score(CropFolder.open(work / "crops").load(slice(None)))
    np.testing.assert_allclose(scores.values, expected, atol=1e-5)
    card = Card.from_dict(facts)
    assert [int(row["score100"]) for row in rows] == card.scale.score100(scores.values).tolist()
    monkeypatch.setattr(deployed, "SHIPPED", path.parent)
    fiqa("score", work / "crops", "-o", work / "shipped.csv")
    assert (work / "shipped.csv").read_bytes() == (work / "s.csv").read_bytes()
    fiqa("score", work / "crops", "--model", "tiny", "-o", work / "named.csv")
    assert (work / "named.csv").read_bytes() == (work / "s.csv").read_bytes()
    (row,) = json.loads(fiqa("models", "--json"))
    assert (row["name"], row["licence"], row["sha256"]) == ("tiny", "CC0-1.0", facts["sha256"])
    assert "pAUC" not in fiqa("models")  # not measured


def test_models_are_listed_with_the_areas_of_their_cards() -> None:
    rows = json.loads(fiqa("models", "--json"))
    lines = fiqa("models").splitlines()
    for row in rows:
        areas = [one for one in row["metrics"] if one["kind"] == "normalised"]
        told = [line.split()[1:4] for line in lines if line.split()[:1] == [row["name"]]][1:]
        assert told == [[f"{one['estimate']:.3f}", one["benchmark"], one["recogniser"]] for one in areas]


def test_a_mirrored_model_gives_mirror_images_one_score(work: Path) -> None:
    path = export(work, "--mirror")
    assert json.loads((work / "out" / "card.json").read_text())["mirror"]
    model = deployed.load_deployed(path)
    crops = CropFolder.open(work / "crops").load(slice(None))
    learned = Learned(work / "reg" / "regressor.pt")
    expected = (learned.score(crops) + learned.score(crops.mirrored())) / 2
    np.testing.assert_allclose(model.score(crops), expected, atol=1e-5)
    np.testing.assert_allclose(model.score(crops.mirrored()), expected, atol=1e-5)


def test_int8_and_the_gate(work: Path) -> None:
    with pytest.raises(ExportError, match=r"on 40 crops: .*nothing was written"):
        export(work, "--int8", "--max-difference", 1e-6)
    assert not (work / "out").exists()
    export(work, "--int8", "--min-spearman", 0.9)
    facts = json.loads((work / "out" / "card.json").read_text())
    assert facts["precision"] == "int8"
    assert 0.9 <= facts["parity"]["spearman"] <= 1
    assert facts["parity"]["max_difference"] > 1e-6


def test_float16_is_half_as_large_and_within_its_gate(work: Path) -> None:
    with pytest.raises(SettingsError, match="give --float16 or --int8, not both"):
        export(work, "--float16", "--int8")
    whole = export(work).stat().st_size
    with pytest.raises(ExportError, match="nothing was written"):
        export(work, "--float16", "--max-difference", 1e-7)
    assert export(work, "--float16").stat().st_size < whole
    facts = json.loads((work / "out" / "card.json").read_text())
    assert facts["precision"] == "float16"
    assert 0 < facts["parity"]["max_difference"] <= 2e-3


def test_crops_trained_on_are_the_default(work: Path) -> None:
    with pytest.raises(SettingsError, match=r"give --crops.*trained on \(not recorded\)"):
        fiqa("export", work / "reg", "-o", work / "a.onnx")
    trained = Provenance("regressor", settings={"crops": str(work / "crops")})
    write_json(work / "reg" / "header.json", {"provenance": trained.to_json()})
    fiqa("export", work / "reg", "-o", work / "a.onnx", "--n-crops", 10, "--n-reference", 30)
    facts = json.loads((work / "card.json").read_text())
    assert (facts["parity"]["n_crops"], facts["scale"]["n_samples"]) == (10, 30)
    assert facts["scale"]["reference"] == "crops"


def test_evidence_goes_into_the_card(work: Path, tmp_path: Path) -> None:
    interval = {
        "kind": "normalised",
        "limit": 0.3,
        "estimate": 0.5,
        "low": 0.4,
        "high": 0.6,
        "confidence": 0.95,
    }
    bed = {"benchmark": "lfw", "recogniser": "r", "n_subjects": 3, "n_mated": 9, "fmr": 0.001}
    found = [{"method": name, "variant": "raw score", "intervals": [interval]} for name in ("tiny", "other")]
    write_json(tmp_path / "results.json", {"test_beds": [{**bed, "evaluations": found}]})
    write_json(tmp_path / "rob.json", {"method": "tiny", "rows": []})
    write_json(tmp_path / "more.json", {"test_beds": [{**bed, "benchmark": "cfp-fp", "evaluations": found}]})
    evidence = ("--metrics", tmp_path / "results.json", "--metrics", tmp_path / "more.json")
    export(work, *evidence, "--robustness", tmp_path / "rob.json")
    facts = json.loads((work / "out" / "card.json").read_text())
    assert str(tmp_path) not in json.dumps(facts)
    assert str(work) not in json.dumps(facts)
    assert facts["provenance"]["settings"]["metrics"] == ["results.json", "more.json"]
    row = {**bed, "variant": "raw score", **interval}
    assert facts["metrics"] == [row, {**row, "benchmark": "cfp-fp"}]
    assert facts["robustness"]["method"] == "tiny"
    write_json(tmp_path / "rob.json", {"method": "faceqan", "rows": []})
    with pytest.raises(DataError, match=r"rob\.json speaks of faceqan, the model is tiny"):
        export(work, "--robustness", tmp_path / "rob.json")
    write_json(tmp_path / "results.json", {"test_beds": [{**bed, "evaluations": found[1:]}]})
    with pytest.raises(DataError, match=r"no intervals of tiny or learned; it has methods other"):
        export(work, "--metrics", tmp_path / "results.json")
    with pytest.raises(DataError, match=r"rob\.json is no results\.json of `fiqa evaluate`"):
        export(work, "--metrics", tmp_path / "rob.json")


def test_what_cannot_be_exported(work: Path) -> None:
    with pytest.raises(SettingsError, match=r"model\.bin must end in \.onnx"):
        export(work, name="model.bin")
    with pytest.raises(SettingsError, match="an export needs --n-crops and --n-reference of 2 or more"):
        export(work, "--n-crops", 1)
    with pytest.raises(SettingsError, match="got 512, 0 and"):
        export(work, "--n-reference", 0)
    with write_crops(work / "chips", crop="dlib", provenance=Provenance("crops")) as writer:
        writer.add(make_samples(1, 4), FaceCrops(np.zeros((4, 16, 16, 3), np.uint8)))
    with pytest.raises(DataError, match="holds dlib crops and arcface crops are needed"):
        export(work, "--crops", work / "chips")
    export(work)
    with pytest.raises(DataError, match=r"card\.json is the card of tiny\.onnx: write to another folder"):
        export(work, name="out/second.onnx")
    export(work)  # again, over its own


def test_a_model_without_its_card_is_no_model(work: Path) -> None:
    path = export(work)
    (path.parent / "card.json").unlink()
    with pytest.raises(WeightsError, match="has no card"):
        fiqa("score", work / "crops", "--model", path, "-o", work / "s.csv")


@pytest.mark.faces
def test_robustness_of_a_method_and_bad_input(photos: Path, tmp_path: Path) -> None:
    command = ("robustness", photos, "--method", "classical", "-o", tmp_path / "r.json")
    fiqa(*command, "--n-photos", 5, "--landmarks", 2, "--jpeg", 40, "--seed", 3)
    facts = json.loads((tmp_path / "r.json").read_text())
    assert (facts["method"], facts["n_crops"]) == ("classical", 5)
    changes = [(row["change"], row["amount"]) for row in facts["rows"]]
    assert changes == [("landmarks", 2.0), ("jpeg", 40), ("mirror", 0)]
    assert all(row["mean_change"] > 0 and row["mean_points"] is None for row in facts["rows"])
    fiqa(*command, "--n-photos", 5, "--landmarks", 2, "--jpeg", 40, "--seed", 3)
    assert json.loads((tmp_path / "r.json").read_text()) == facts
    for words, message in (
        (("--n-photos", 1), "--n-photos of 2 or more"),
        (("--landmarks", 0), "--landmarks above 0, got 5?"),
        (("--jpeg", 101), "--jpeg must be in 1 to 100, got 101"),
    ):
        with pytest.raises(SettingsError, match=message):
            fiqa(*command, *words)


def test_robustness_needs_the_photos(work: Path) -> None:
    samples = make_samples(1, 3)
    gone = type(samples)(samples.sample_ids, samples.subject_ids, np.array(["/a.jpg", "/b.jpg", "/c.jpg"]))
    with write_crops(work / "far", crop="arcface", provenance=Provenance("crops")) as writer:
        writer.add(gone, FaceCrops(np.zeros((3, 16, 16, 3), np.uint8)))
    with pytest.raises(
        DataError, match=r"3 photos of .* are not in place, first /a\.jpg: landmark noise needs"
    ):
        fiqa("robustness", work / "far", "--method", "classical", "-o", work / "r.json")
