"""A published study: what its file becomes for what is at hand, its tables, and the command on few faces."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fiqa.cli import app
from fiqa.core.errors import DataError, SettingsError
from fiqa.io.store import read_scores
from fiqa.models import weights
from fiqa.pipeline.evaluate import Evaluate
from fiqa.pipeline.label import Label
from fiqa.pipeline.optimize import Optimize
from fiqa.pipeline.reproduce import open_study
from fiqa.pipeline.reproduce_stages import Plan, expand
from fiqa.pipeline.reproduce_tables import read_published, write_tables
from fiqa.pipeline.score import Score
from fiqa.pipeline.settings import Stage
from fiqa.pipeline.train import Train

ALL = ("arcface", "arcface_mbf", "elasticface", "curricularface", "sface", "dlib_resnet")


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """Names of recognisers that count as being there; the variable that `expand` sets is set back."""
    names = {"arcface_mbf", "sface"}
    monkeypatch.setenv(weights.FOLDER_VARIABLE, "")
    monkeypatch.setattr("fiqa.pipeline.reproduce_stages.is_at_hand", names.__contains__)
    return names


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def small(root: Path) -> Path:
    """LFW and CFP as empty files."""
    pairs = "data/lfw/protocol/pairs.txt"
    return put(root, "data/lfw/images/a", pairs, "data/cfp/Data/Images/a", "models/a")


def output_of(plan: Plan, kind: type[Stage]) -> dict[str, Any]:
    return {str(stage.output): stage for stage in plan.stages if isinstance(stage, kind)}


def test_what_is_absent_is_left_out_and_said(tmp_path: Path, at_hand: set[str]) -> None:
    study = open_study("iwbf2023", tmp_path / "out")
    plan = expand(study, small(tmp_path), Path("out"))
    assert plan.trained_on == {"lfw": "cfp", "cfp-fp": "lfw", "degraded-lfw": "cfp"}
    assert plan.recognisers == ("arcface_mbf", "sface")
    said = "\n".join(plan.left_out)
    for line in (
        "recogniser arcface: no ms1mv3_arcface_r100_fp16/backbone.pth",
        "official weights of magface: no models/magface_epoch_00025.pth, labels by embedding_norm instead",
        "weights of sdd_fiqa: no models/SDD_FIQA_checkpoints_r50.pth, labels by sdd_fiqa instead",
        "training set vggface2: no data/vggface2/train or data/vggface2 or data/vggface2/train.rec",
        "benchmark cplfw: no data/cplfw/images",
    ):
        assert line in said
    assert len(plan.left_out) == 11


def test_every_stage_reads_what_an_earlier_one_wrote(tmp_path: Path, at_hand: set[str]) -> None:
    root, output = small(tmp_path / "root"), tmp_path / "out"
    written: set[Path] = set()
    for stage in expand(open_study("iwbf2023", output), root, output).stages:
        for path in stage.inputs().values():
            assert path.is_relative_to(root) or {path, path.parent} & written, (stage, path)
        assert stage.output not in written
        written.add(stage.output)


def test_base_labels_and_raw_scores_of_each_kind_of_method(tmp_path: Path, at_hand: set[str]) -> None:
    plan = expand(open_study("iwbf2023", tmp_path / "out"), small(tmp_path), Path("out"))
    scores, labels, models = (output_of(plan, kind) for kind in (Score, Label, Train))
    assert labels["out/train/cfp/labels/cr_fiqa-base.parquet"].method == "cr_fiqa"
    assert models["out/train/cfp/models/cr_fiqa"].labels == Path("out/train/cfp/labels/cr_fiqa-base.parquet")
    assert scores["out/test/lfw/cr_fiqa.parquet"].model == "out/train/cfp/models/cr_fiqa"
    pcnet = models["out/train/lfw/models/pcnet"]
    assert (pcnet.objective, pcnet.labels, pcnet.embeddings) == (
        "pcnet",
        None,
        Path("out/train/lfw/arcface_mbf"),
    )
    for name in ("out/train/cfp/labels/magface-base.parquet", "out/test/lfw/magface.parquet"):
        assert (labels[name].method, labels[name].embeddings.name) == ("embedding_norm", "arcface_mbf")
    assert scores["out/test/lfw/ser_fiq.parquet"].recogniser == "arcface_mbf"
    assert scores["out/train/cfp/labels/faceqan-base.parquet"].photos[0].name == "crops.csv"
    assert scores["out/test/degraded-lfw/faceqan.parquet"].aligned
    assert "out/test/lfw/faceqan.parquet" not in scores  # no folds of it are asked for
    assert "out/test/lfw/faceqan-published.parquet" in scores
    assert "out/test/lfw/random.parquet" not in scores
    report = output_of(plan, Evaluate)["out/reports/cfp-fp/iso"]
    assert report.trained_on == (Path("out/train/lfw/crops-arcface/samples.parquet"),)
    assert models["out/train/cfp/models/random-recommended"].epochs == 2


def test_official_weights_take_the_place_of_own_training(tmp_path: Path, at_hand: set[str]) -> None:
    at_hand |= set(ALL)
    names = ("181952backbone.pth", "magface_epoch_00025.pth", "SDD_FIQA_checkpoints_r50.pth")
    root = put(small(tmp_path), *(f"models/{name}" for name in names), "data/vggface2/train/a/1.jpg")
    put(root, "data/xqlfw/images/a", "data/xqlfw/xqlfw_pairs.txt")
    plan = expand(open_study("iwbf2023", tmp_path / "out"), root, Path("out"))
    assert set(plan.trained_on.values()) == {"vggface2"}
    assert plan.recognisers == ("arcface", *ALL[2:])
    scores = output_of(plan, Score)
    for name in ("out/train/vggface2/labels/magface-base.parquet", "out/test/lfw/magface.parquet"):
        assert (scores[name].method, scores[name].recogniser) == ("magface", None)
        assert scores[name].weights == str(root / "models/magface_epoch_00025.pth")
    assert "out/train/vggface2/models/cr_fiqa" not in output_of(plan, Train)
    rows = output_of(plan, Evaluate)["out/reports/xqlfw/published-2023"]
    assert not any(row.startswith("ser_fiq") for row in rows.scores)
    assert (rows.replicates, rows.pairs) == (0, (f"xqlfw:{root}/data/xqlfw/xqlfw_pairs.txt",))


def test_pairs_may_be_ranked_by_more_recognisers(tmp_path: Path, at_hand: set[str]) -> None:
    study, root = open_study("iwbf2023", tmp_path / "out"), small(tmp_path)
    plan = expand(study, root, Path("out"))
    assert plan.labels == ("published", "recommended", "consensus")
    ranked = output_of(plan, Optimize)["out/train/cfp/labels/magface-consensus.parquet"]
    assert (ranked.preset, ranked.unlabelled) == ("recommended", "skip")
    assert ranked.embeddings == (Path("out/train/cfp/arcface_mbf"), Path("out/train/cfp/sface"))
    assert output_of(plan, Train)["out/train/cfp/models/faceqan-consensus"].epochs == 30
    at_hand.remove("sface")
    plan = expand(study, root, Path("out"))
    assert plan.labels == ("published", "recommended")
    assert "consensus labels: no recogniser sface" in plan.left_out
    assert not any("consensus" in str(stage.output) for stage in plan.stages)


def test_nothing_to_run_is_an_error(tmp_path: Path, at_hand: set[str]) -> None:
    study = open_study("iwbf2023", tmp_path / "out")
    with pytest.raises(DataError, match="needs a benchmark and a training set for it; left out: recogniser"):
        expand(study, tmp_path, Path("out"))
    put(tmp_path, "data/lfw/images/a", "data/lfw/protocol/pairs.txt")
    with pytest.raises(DataError, match="benchmark lfw: no training set at hand that may be tested on it"):
        expand(study, tmp_path, Path("out"))
    at_hand.clear()
    with pytest.raises(DataError, match="needs a quality recogniser"):
        expand(study, small(tmp_path), Path("out"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"arcface_mbf"]',
            '"arcface_mdf"]',
            "no recogniser is named 'arcface_mdf'; did you mean arcface_mbf",
        ),
        ('not_for = ["cfp-fp"]', 'not_for = ["cfp"]', r"training_set.cfp.not_for names no benchmark: cfp"),
        (
            "folds = { degraded-lfw",
            "folds = { degraded",
            r"method.faceqan.folds names no benchmark: degraded",
        ),
        ("degrade = 0.5", "degrad = 0.5", r"training_set.cfp has no setting 'degrad'; it has degrade"),
        ('labels = "pcnet"', 'labels = "ser_fiq"', "ser_fiq scores crops"),
        ('scorer = "ser_fiq"', 'scorer = "ser_fik"', "no method is named 'ser_fik'; did you mean ser_fiq"),
        ("[method.magface]", "[method.mag]", "no method is named 'mag'"),
        ('labels = "random_labels"', "", "method.random needs a scorer or labels"),
        ('face = "central"', 'face = "middle"', "face must be one of largest, central, all"),
        ("subjects = 40", 'subjects = "40"', "subjects must be int"),
        ("[training]", "[training]\nlayer = 1", "stage train has no setting 'layer'; it has layers"),
        ('preset = "recommended"', 'presets = "x"', "stage optimize has no setting 'presets'"),
        ("replicates = 3000", "replicate = 1", "stage evaluate has no setting 'replicate'"),
        (
            "[labels.published]",
            "labels = 3\n[a]",
            "cannot be read as TOML|has no setting 'a'|must be a table",
        ),
    ],
)
def test_wrong_names_in_a_study_file(
    old: str, new: str, message: str, tmp_path: Path, at_hand: set[str]
) -> None:
    open_study("iwbf2023", tmp_path)
    edited = tmp_path / "edited.toml"
    text = (tmp_path / "study.toml").read_text()
    assert old in text
    edited.write_text(text.replace(old, new))
    with pytest.raises(SettingsError, match=message):
        expand(open_study("iwbf2023", tmp_path, config=edited), small(tmp_path), tmp_path / "out")


def test_an_edited_file_is_neither_lost_nor_passed_over(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no study is named 'iwbf'; did you mean iwbf2023"):
        open_study("iwbf", tmp_path)
    open_study("iwbf2023", tmp_path, keep=False)
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "study.toml"
    open_study("iwbf2023", tmp_path)
    kept.write_text(kept.read_text().replace("epochs = 2\n", "epochs = 3\n"))
    with pytest.raises(
        SettingsError, match=r"is not the study as shipped; go on with --config .*study\.toml"
    ):
        open_study("iwbf2023", tmp_path)
    assert open_study("iwbf2023", tmp_path, config=kept).training["epochs"] == 3


def test_published_numbers_are_those_counted_by_hand() -> None:
    published = read_published("iwbf2023")
    assert len(published) == 2 * 87
    assert published["curricularface", "MagFace", "regressor, published labels", "XQLFW"] == 260.4
    assert ("arcface", "SER-FIQ", "raw score", "XQLFW") not in published
    ratios: dict[str, list[float]] = {}
    for (recogniser, method, labels, column), value in published.items():
        if (recogniser, labels) == ("arcface", ROWS[2]):
            ratios.setdefault(column, []).append(value / published[recogniser, method, ROWS[0], column])
    means = {column: round(100 * sum(of) / len(of) - 100, 1) for column, of in ratios.items()}
    assert means == {"LFW": -15.6, "CFP-FP": -24.3, "CPLFW": -0.8, "CALFW": -5.2, "XQLFW": -27.5}


ROWS = ("raw score", "regressor, base labels", "regressor, published labels", "regressor, recommended labels")


def results(stage: Evaluate, areas: dict[tuple[str, str], float]) -> None:
    """What `fiqa evaluate` would write, with these raw areas a row; FNMR 0.5, so that nothing gives 0.15."""
    rows = [item.rpartition("=")[0].partition(":") for item in stage.scores]
    limit = 0.3 if stage.convention == "iso" else 0.95
    beds = [
        {
            "benchmark": spec.partition(":")[0],
            "recogniser": folder.name,
            "n_mated": 40,
            "differences": [
                {
                    "method": f"magface · {after}",
                    "baseline": f"magface · {before}",
                    "change": {"estimate": change, "low": change - 0.1, "high": change + 0.1},
                    "p_holm": p,
                }
                for after, before, change, p in DIFFERENCES
                if stage.replicates
            ],
            "evaluations": [
                {
                    "method": method,
                    "variant": row or ROWS[0],
                    "curve": {"fnmr0": 0.5},
                    "areas": [
                        {
                            "limit": limit,
                            "raw": (raw := areas.get((method, row or ROWS[0]), 0.12)),
                            "normalised": raw / 0.15,
                            "excess": raw - 0.06,
                        }
                    ],
                }
                for method, _, row in rows
            ],
        }
        for folder in stage.embeddings
        for spec in stage.pairs
    ]
    stage.output.mkdir(parents=True)
    (stage.output / "results.json").write_text(json.dumps({"test_beds": beds}))


DIFFERENCES = (
    (ROWS[1], ROWS[0], -0.13333333, 0.01),
    (ROWS[2], ROWS[1], 0.06666667, 0.04),
    (ROWS[3], ROWS[1], -0.13333333, 0.06),
)
AREAS = {
    **dict(zip([("magface", row) for row in ROWS], (0.10, 0.08, 0.09, 0.06), strict=True)),
    ("oracle", ROWS[0]): 0.075,
}


@pytest.fixture
def tables(request: pytest.FixtureRequest, tmp_path: Path, at_hand: set[str]) -> Path:
    """Tables of hand-made results: MagFace as in `AREAS`, everything else 0.12 throughout."""
    at_hand |= set(request.param)
    study, output = open_study("iwbf2023", tmp_path / "out"), tmp_path / "out"
    plan = expand(study, small(tmp_path), output)
    for stage in plan.stages:
        if isinstance(stage, Evaluate):
            results(stage, AREAS)
    return write_tables("iwbf2023", study, plan, output).parent


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.parametrize("tables", [()], indirect=True)
def test_tables_with_another_quality_recogniser(tables: Path) -> None:
    lines = (tables / "same-model.md").read_text().splitlines()
    assert lines[2].startswith(
        "| Method | Labels | lfw, arcface_mbf | cfp-fp, arcface_mbf | degraded-lfw, arc"
    )
    (raw, _, published, recommended) = [line for line in lines if "MagFace" in line][:4]
    assert raw == "| MagFace | raw score | 100.0 (2.0†) | 100.0 (3.7†) | 100.0 | 100.0 |"
    assert published.startswith(
        "| MagFace | regressor, published labels | 90.0 (1.7†) | 90.0 (1.7†) | 90.0 |"
    )
    assert recommended.startswith(
        "| MagFace | regressor, recommended labels | **60.0** | **60.0** | **60.0**"
    )
    assert "| oracle | sees the test | **0.500** | **0.500** | **0.500** | **0.500** |" in lines
    assert "| bound | any order | **0.400** | **0.400** | **0.400** | **0.400** |" in lines
    assert r"100.0 (2.0$^\dagger$)" in (tables / "same-model.tex").read_text()
    cross = (tables / "cross-model.md").read_text()
    assert cross.count("†") == 1  # in the title alone: nothing was published for sface
    limited = (tables / "limited.md").read_text().splitlines()
    heads = [f"degraded-lfw, 40 mated, {by}" for by in ("arcface_mbf", "sface")]
    assert limited[2] == f"| Method | Labels | {' | '.join(heads)} |"


@pytest.mark.parametrize("tables", [ALL], indirect=True)
def test_tables_with_the_published_recognisers(tables: Path) -> None:
    same, cross = read(tables / "same-model.csv"), read(tables / "cross-model.csv")
    cells = {
        (row["recogniser"], row["benchmark"], row["method"], row["labels"]): row for row in (*same, *cross)
    }
    cell = cells["arcface", "lfw", "magface", ROWS[0]]
    assert (cell["published"], cell["comparable"], float(cell["auc"])) == ("2.0", "True", 100.0)
    assert float(cell["pauc"]) == pytest.approx(0.1 / 0.15)
    assert cells["elasticface", "cfp-fp", "magface", ROWS[2]]["published"] == "2.5"
    assert cells["sface", "lfw", "magface", ROWS[0]]["published"] == ""
    assert cells["arcface", "degraded-lfw", "magface", ROWS[0]]["comparable"] == "False"
    assert "100.0 (2.0)" in (tables / "same-model.md").read_text()


@pytest.mark.parametrize("tables", [()], indirect=True)
def test_summary_counts_cells_and_leaves_the_control_out(tables: Path) -> None:
    rows = {(row["change"], row["area"], row["where"]): row for row in read(tables / "summary.csv")}

    def counts(*key: str) -> tuple[int, int, int, float]:
        row = rows[key]  # type: ignore[index]
        counted = (int(row[name]) for name in ("cells", "better", "worse"))
        return (*counted, float(row["mean_change_percent"]))  # type: ignore[return-value]

    # five methods with a raw score (FaceQAN is limited), two recognisers, four columns; MagFace alone changes
    assert counts("fine-tuning alone", "auc", "all") == (40, 8, 0, -4.0)
    assert counts("published labels against base labels", "auc", "all") == (48, 0, 8, 2.08)
    assert counts("recommended labels against base labels", "pauc", "lfw") == (12, 2, 0, -4.17)
    assert counts("recommended labels against raw score", "auc", "all") == (40, 8, 0, -8.0)
    sure = {key: (row["better_beyond_chance"], row["worse_beyond_chance"]) for key, row in rows.items()}
    assert sure["fine-tuning alone", "pauc", "all"] == ("8", "0")
    assert sure["published labels against base labels", "pauc", "by sface"] == ("0", "4")
    assert sure["recommended labels against base labels", "pauc", "all"] == ("0", "0")
    assert sure["fine-tuning alone", "auc", "all"] == ("", "")
    differences = read(tables / "differences.csv")
    assert len(differences) == 3 * 8
    assert (differences[1]["after"], differences[1]["before"], differences[1]["change"]) == (
        ROWS[2],
        ROWS[1],
        "0.06667",
    )
    name = "as published: published labels against raw score"
    assert counts(name, "auc", "all")[:3] == (87, 65, 19)
    assert counts(name, "auc", "XQLFW")[:3] == (15, 15, 0)
    text = (tables / "summary.md").read_text()
    assert text.startswith(
        "Quality recogniser arcface_mbf; trained on: cfp for lfw, lfw for cfp-fp, cfp for deg"
    )
    assert "Kendall's W 1.00" in text
    assert "- left out: benchmark calfw: no data/calfw/images" in text
    assert "| lfw | arcface_mbf | 0.400 | 0.500 | 0.400 |" in text


TINY = """
quality_recognisers = ["sface"]
cross_recognisers = []
[evaluation]
fmr = 0.01
replicates = 20
[training_set.half]
images = ["train"]
degrade = 0.5
[benchmark.other]
images = ["test"]
degrade = 1.0
pairs = ["csv:pairs.csv", "all"]
[method.sdd_fiqa]
title = "SDD-FIQA"
labels = "sdd_fiqa"
training = { loss = "smooth_l1", epochs = 1, batch_size = 8, validation_fraction = 0.4 }
[method.magface]
title = "MagFace"
scorer = "magface"
subjects = 2
images = 9
folds = { other = 1 }
[method.random]
title = "random"
labels = "random_labels"
control = true
[labels.recommended]
optimize = { preset = "recommended" }
[training]
epochs = 6
learning_rate = 1e-4
loss = "smooth_l1"                 # of few samples, L1 tells the sign alone
batch_size = 8
validation_fraction = 0.4
"""


@pytest.mark.slow
@pytest.mark.faces
def test_the_whole_command_on_a_few_faces(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 7):
        half = tmp_path / ("train" if number < 4 else "test")
        half.mkdir(exist_ok=True)
        (half / f"s{number}").symlink_to(photos / f"s{number}")
    rows = ["first,second,mated,fold"]
    names = [f"s{subject}/{image}.png" for subject in (4, 5, 6) for image in range(1, 11)]
    for number, (one, two) in enumerate(itertools.combinations(names, 2)):
        rows.append(f"{one},{two},{int(one[:2] == two[:2])},{number % 2}")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    (tmp_path / "tiny.toml").write_text(TINY)
    words = ["reproduce", "iwbf2023", "--data", str(tmp_path), "-o", str(tmp_path / "out")]
    words += ["--config", str(tmp_path / "tiny.toml")]
    shown = CliRunner().invoke(app, [*words, "--dry-run"], catch_exceptions=False)
    assert shown.exit_code == 0
    assert not (tmp_path / "out").exists()
    ran = CliRunner().invoke(app, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    outputs = [line.split()[1] for line in shown.stdout.splitlines() if str(tmp_path / "out") in line]
    assert len(outputs) > 20
    assert all(Path(name).exists() for name in outputs)
    learnt = sorted((tmp_path / "out" / "test" / "other").glob("*-[br]*.parquet"))
    assert [file.stem for file in learnt if file.stem[:6] != "oracle"] == [
        f"{name}-{labels}" for name in ("magface", "random", "sdd_fiqa") for labels in ("base", "recommended")
    ]
    values = [tuple(read_scores(file).values) for file in learnt]
    assert len(set(values)) == len(values)  # every regressor learnt its own labels
    tables = tmp_path / "out" / "tables"
    assert not (tables / "cross-model.md").exists()
    limited = read(tables / "limited.csv")
    assert {row["labels"] for row in limited} == {ROWS[0], ROWS[1], ROWS[3]}
    assert (tmp_path / "out" / "study.toml").read_text() == TINY
    stamp = tables.parent / "reports" / "other" / "iso" / "results.json"
    before = stamp.stat().st_mtime_ns
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert stamp.stat().st_mtime_ns == before
