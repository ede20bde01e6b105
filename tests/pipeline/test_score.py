"""`fiqa score` on whatever users name, in threads, on a cluster, in shards, and through kills."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fiqa.cli import app
from fiqa.core.errors import DataError, SettingsError
from fiqa.io.parts import parts_folder
from fiqa.io.store import read_failures, read_scores
from fiqa.io.tables import read_table, shards
from fiqa.pipeline.score import Score

SIDE = 112


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 crops of noise in folders of 100, and five files that are none."""
    folder = tmp_path_factory.mktemp("noise") / "crops"
    rng = np.random.default_rng(0)
    for number in range(600):
        path = folder / f"p{number % 6}" / f"{number // 6}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((SIDE, SIDE)).save(path, compress_level=1)
    one = Image.open(folder / "p0" / "0.png")
    (folder / "p1" / "empty.jpg").write_bytes(b"")
    (folder / "p2" / "text.png").write_bytes(b"no image")
    (folder / "p3" / "loop.png").symlink_to("loop.png")
    one.resize((50, 50)).save(folder / "p4" / "small.png")
    os.mkfifo(folder / "p5" / "pipe.jpg")
    return folder


def score(*photos: Path | str, output: Path, **settings: object) -> list[tuple[int, int]]:
    """Score crops by the method classical; how the progress was told."""
    seen: list[tuple[int, int]] = []
    chosen = {"method": "classical", "aligned": True, **settings}
    stage = Score.from_mapping({"photos": list(map(str, photos)), "output": output, **chosen})
    stage.execute(lambda *counts: seen.append(counts))
    return seen


def test_the_command_tells_of_failures(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "s.csv"
    command = [str(word) for word in ("score", crops, "--method", "classical", "--aligned", "-o", output)]
    app(command, standalone_mode=False)
    told = capsys.readouterr().err.splitlines()
    assert f"5 without a result, see {tmp_path / 's.failures.csv'}" in told
    app([*command[:-1], str(tmp_path / "s"), "--shard-size", "300"], standalone_mode=False)
    told = capsys.readouterr().err.splitlines()
    assert f"5 without a result, see {tmp_path / 's' / 'part-00000.failures.csv'} and 2 more" in told


def test_what_is_no_crop_is_a_line_of_its_own(crops: Path, tmp_path: Path) -> None:
    seen = score(crops, output=tmp_path / "s.csv")
    scores = read_scores(tmp_path / "s.csv")
    assert (len(scores), seen[0], seen[-1]) == (600, (0, 605), (605, 605))
    assert scores.sample_ids[0] == "p0/0.png"
    failures = {item.sample_id: item for item in read_failures(tmp_path / "s.failures.csv")}
    assert {name: item.reason for name, item in failures.items()} == {
        "p1/empty.jpg": "not_an_image",
        "p2/text.png": "not_an_image",
        "p3/loop.png": "unreadable",
        "p4/small.png": "wrong_size",
        "p5/pipe.jpg": "unreadable",
    }
    assert failures["p1/empty.jpg"].message.endswith("p1/empty.jpg is empty: it has no bytes")
    assert "levels of symbolic links" in failures["p3/loop.png"].message


@pytest.mark.parametrize(
    "settings",
    [{"workers": 1}, {"workers": 3}, pytest.param({"executor": "ray"}, marks=pytest.mark.slow)],
    ids=str,
)
def test_how_does_not_change_what(crops: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    score(crops / "p0", crops / "p4", output=tmp_path / "a.parquet")
    score(crops / "p0", crops / "p4", output=tmp_path / "b.parquet", **settings)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert (tmp_path / "a.failures.csv").read_bytes() == (tmp_path / "b.failures.csv").read_bytes()
    assert len(read_scores(tmp_path / "b.parquet")) == 200


def test_names_in_several_folders_stay_apart(
    crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = "\n".join([str(crops / "p1/1.png"), "", str(crops / "p0/0.png"), str(tmp_path / "gone.png")])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listing.encode())))
    score(crops / "p0" / "1.png", str(crops / "p[12]/1.png"), "-", output=tmp_path / "s.csv")
    wanted = [str(crops / name) for name in ("p0/1.png", "p1/1.png", "p2/1.png", "p0/0.png")]
    assert read_scores(tmp_path / "s.csv").sample_ids.tolist() == wanted
    assert read_table(tmp_path / "s.csv").texts("path").tolist() == wanted
    (failure,) = read_failures(tmp_path / "s.failures.csv")
    assert failure.message == f"{tmp_path / 'gone.png'} does not exist"


def test_old_failures_do_not_stay(crops: Path, tmp_path: Path) -> None:
    score(crops / "p1", output=tmp_path / "s.csv")
    assert (tmp_path / "s.failures.csv").exists()
    score(crops / "p0", output=tmp_path / "s.csv")
    assert not (tmp_path / "s.failures.csv").exists()


def test_least_score(crops: Path, tmp_path: Path) -> None:
    score(crops / "p0", output=tmp_path / "all.csv")
    every = read_scores(tmp_path / "all.csv")
    level = float(np.median(every.values))
    score(crops / "p0", output=tmp_path / "good.csv", min_score=level)
    good = read_scores(tmp_path / "good.csv")
    np.testing.assert_array_equal(good.sample_ids, every.sample_ids[every.values >= level])
    score(crops / "p0", output=tmp_path / "none.csv", min_score=99.0)
    assert len(read_scores(tmp_path / "none.csv")) == 0


def test_shards_hold_what_one_table_holds(crops: Path, tmp_path: Path) -> None:
    score(crops, output=tmp_path / "one.parquet")
    seen = score(crops, output=tmp_path / "many", shard_size=250)
    files = shards(tmp_path / "many")
    assert [path.name for path in files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert (seen[0], seen[-1]) == ((0, 605), (605, 605))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    one, many = read_table(tmp_path / "one.parquet"), read_table(tmp_path / "many")
    for name, column in one.columns.items():
        np.testing.assert_array_equal(many.column(name), column)
    before = {path: path.stat().st_mtime_ns for path in files}
    files[1].unlink()
    with pytest.raises(DataError, match="many is not complete: give the command that writes it once more"):
        read_scores(tmp_path / "many")
    score(crops, output=tmp_path / "many", shard_size=250)
    assert {path: path.stat().st_mtime_ns for path in files if path != files[1]} == {
        path: when for path, when in before.items() if path != files[1]
    }
    assert len(read_scores(tmp_path / "many")) == 600
    score(crops / "p0", output=tmp_path / "many", shard_size=250)
    assert len(read_scores(tmp_path / "many")) == 100
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == [
        "header.json",
        "part-00000.parquet",
    ]


def test_no_table_is_read_that_two_runs_wrote(crops: Path, tmp_path: Path) -> None:
    score(crops / "p0", output=tmp_path / "s", shard_size=40)
    other = {"photos": str(crops / "p0"), "output": tmp_path / "s", "shard_size": 40, "min_score": 0.1}

    def stop(done: int, total: int) -> None:
        if done > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Score.from_mapping({"method": "classical", "aligned": True, **other}).execute(stop)
    with pytest.raises(DataError, match="s is not complete"):
        read_scores(tmp_path / "s")


def test_changed_photos_of_a_list_are_scored_anew(crops: Path, tmp_path: Path) -> None:
    photo, listed = tmp_path / "0.png", tmp_path / "list.csv"
    photo.write_bytes((crops / "p0" / "0.png").read_bytes())
    listed.write_text(f"sample_id,subject_id,path\na,p,{photo}\n")
    stage = Score.from_mapping({"photos": str(listed), "output": tmp_path / "s.csv", "method": "classical"})
    made = stage.made()
    assert made == stage.made()
    photo.write_bytes((crops / "p0" / "9.png").read_bytes())
    assert made != stage.made()


def test_changed_photos_are_scored_anew(crops: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        (photos / f"{number}.png").write_bytes((crops / "p0" / f"{number}.png").read_bytes())
    score(photos, output=tmp_path / "s", shard_size=2)
    first = read_scores(tmp_path / "s")
    (photos / "2.png").write_bytes((crops / "p0" / "9.png").read_bytes())
    score(photos, output=tmp_path / "s", shard_size=2)
    second = read_scores(tmp_path / "s")
    assert (first.values == second.values).tolist() == [True, True, False]


def test_what_is_refused(crops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, table = tmp_path / "s.csv", tmp_path / "list.csv"
    table.write_text("sample_id,subject_id,path\n")
    with pytest.raises(SettingsError, match=r"scored alone, got it among .*list\.csv"):
        score(crops, table, output=output)
    with pytest.raises(SettingsError, match=r"is a folder of shards, for photos alone; name a \.parquet"):
        score(table, output=tmp_path / "folder")
    with pytest.raises(SettingsError, match="--workers and --shard-size must be 1 or more, got 0 and"):
        score(crops, output=output, workers=0)
    with pytest.raises(SettingsError, match="name photos, folders, patterns or lists"):
        score(output=output)
    with pytest.raises(DataError, match=r"score reads what does not exist: .*gone \(photos\)"):
        score(tmp_path / "gone", output=output)
    with pytest.raises(DataError, match=r"no usable face in 1 images of .*; the first one: .* is empty"):
        score(crops / "p1" / "empty.jpg", output=output)
    with pytest.raises(DataError, match=r"no usable face in 1 images of .*\*\.gif; the first one"):
        score(str(tmp_path / "*.gif"), output=output)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary").write_text("dear")
    with pytest.raises(DataError, match="folder with other content that would be lost"):
        score(crops, output=tmp_path / "mine")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(DataError, match="no image in an empty list"):
        score("-", output=output)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_the_bytes_are_the_same(crops: Path, tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    name = ("s.parquet", "s.csv", "s", "s.json")[seed]
    words = ["score", str(crops), "--aligned", "--method", "classical", "--workers", "2", "-o", name]
    words += ["--shard-size", "200", "--report", "r.html"]

    def start(place: Path) -> subprocess.Popen[bytes]:
        place.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "fiqa", *words],
            cwd=place,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    assert start(tmp_path / "whole").wait() == 0
    place, kills = tmp_path / "cut", 0
    for attempt in range(30):
        process, wanted = start(place), finished(place) + moments.randint(1, 3)
        while process.poll() is None and (finished(place) < wanted or attempt > 6):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.03))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0
    assert kills >= 1  # how many there is time for depends on the machine
    assert contents(place) == contents(tmp_path / "whole")


def finished(place: Path) -> int:
    """How many parts and shards lie there, in folders that may go meanwhile."""
    names = (name for _, _, names in os.walk(place) for name in names)
    return sum(name.endswith((".npz", ".parquet")) and name[0] != "." for name in names)


def contents(place: Path) -> dict[str, bytes]:
    """Every visible file."""
    files = (path for path in place.rglob("*") if path.is_file() and path.name[0] != ".")
    return {str(path.relative_to(place)): path.read_bytes() for path in files}


def test_parts_are_taken_up(crops: Path, tmp_path: Path) -> None:
    output = tmp_path / "s.parquet"
    stage = Score.from_mapping(
        {"photos": str(crops), "output": output, "method": "classical", "aligned": True, "workers": 1}
    )

    def until_half(done: int, total: int) -> None:
        if done > 300:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.execute(until_half)
    assert len(list(parts_folder(output).glob("*.npz"))) == 5
    seen: list[tuple[int, int]] = []
    stage.execute(lambda *counts: seen.append(counts))
    assert seen[0] == (320, 605)
    assert not parts_folder(output).exists()
    score(crops, output=tmp_path / "t.parquet", workers=2)
    assert output.read_bytes() == (tmp_path / "t.parquet").read_bytes()


def test_the_report_needs_no_network_and_names_the_worst(crops: Path, tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    score(crops, output=tmp_path / "s.csv", report=report)
    page = report.read_text()
    scores = read_scores(tmp_path / "s.csv")
    worst = scores.sample_ids[np.argsort(scores.values, kind="stable")[:24]]
    places = [page.index(f"<span>{name}</span>") for name in worst]
    assert places == sorted(places)
    assert page.count("data:image/jpeg;base64,") == 60 + 24
    assert "<dd>600</dd>" in page
    assert "<td>2</td><td>the file is no image of a known kind</td>" in page
    for outside in ("http:", "https:", "<script", 'src="/'):
        assert outside not in page
    score(crops, output=tmp_path / "s", shard_size=100, report=tmp_path / "r2.html")
    assert (tmp_path / "r2.html").read_text() == page
    score(crops / "p0", output=tmp_path / "none.csv", min_score=9.0, report=report)
    assert "There is no score." in report.read_text()


@pytest.mark.faces
def test_a_report_of_photos_gives_reasons(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(1, 6):
        image = Image.open(photos / "s1" / f"{number}.png")
        image.point(lambda level: level // 6).save(folder / f"<dark>{number}.png")
    report = tmp_path / "r.html"
    score(folder, output=tmp_path / "s.parquet", report=report, aligned=False, face="all")
    page = report.read_text()
    assert "too dark" in page
    assert "<span>&lt;dark&gt;" in page
    assert "<dark>" not in page


def test_settings_that_do_not_matter_are_not_recorded(crops: Path, tmp_path: Path) -> None:
    score(crops / "p0", output=tmp_path / "s.json", report=tmp_path / "r.html", workers=1)
    made_by = json.loads((tmp_path / "s.json").read_text())["provenance"]
    assert not {"output", "report", "workers", "executor"} & set(made_by["settings"])
    assert len(made_by["inputs"]["photos"]) == 64
