"""`fiqa best` on videos made of real faces, as a user runs it."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageFilter

from commands import fiqa, table
from fiqa.core.errors import DataError, SettingsError
from fiqa.io.images import read_image
from fiqa.pipeline.best import clock
from videos import write_sound, write_video

pytestmark = pytest.mark.faces
CLASSICAL = ("--method", "classical")


def scene(*faces, blur=0.0, ground=90):
    """Faces, each an image and its left edge, side by side on a grey ground."""
    canvas = Image.new("RGB", (400, 240), (ground, ground, ground))
    for image, left in faces:
        canvas.paste(Image.fromarray(image).resize((138, 168)), (left, 30))
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(blur)) if blur else canvas)


@pytest.fixture(scope="module")
def faces(photos):
    return [read_image(photos / f"s{n}" / "1.png") for n in (1, 2, 4)]


@pytest.fixture(scope="module")
def film(faces, tmp_path_factory):
    """Two people for 30 frames, blurred but for frames 10 and 25; a cut; a third in place of the first."""
    ada, bob, cid = faces
    frames = [scene((ada, 20 + n), (bob, 230), blur=0 if n in (10, 25) else 2.5) for n in range(30)] + [
        scene((cid, 50 + n), ground=200, blur=0 if n == 15 else 2) for n in range(20)
    ]
    return write_video(tmp_path_factory.mktemp("film") / "film.mkv", frames)


def test_two_people_a_cut_and_a_third(film, tmp_path):
    out = tmp_path / "best"
    fiqa("best", film, "-o", out, "-k", 2, *CLASSICAL)
    rows, tracks = table(out / "best.csv"), table(out / "tracks.csv")
    assert [row["frames"] for row in tracks] == ["30", "30", "20"]
    assert [float(row["start"]) for row in tracks] == [0, 0, 1.2]
    assert list(rows[0])[:7] == ["sample_id", "path", "track", "rank", "frame", "seconds", "score"]
    frames = {name: [int(row["frame"]) for row in rows if row["track"] == name] for name in "123"}
    assert {*frames["1"]} == {*frames["2"]} == {10, 25}
    assert frames["3"][0] == 45
    assert all(float(a["score"]) >= float(b["score"]) for a, b in zip(rows[::2], rows[1::2], strict=True))
    for row in rows:
        assert read_image(out / row["path"]).shape == (112, 112, 3)
    for row in tracks:
        assert read_image(out / row["strip"]).shape == (284, 372, 3)
    header = json.loads((out / "header.json").read_text())
    assert (header["decoded"], header["looked_at"], header["cuts"], header["broken"]) == (50, 50, 1, 0)


def test_crops_are_samples_by_track_for_other_stages(film, tmp_path):
    fiqa("best", film, "-o", tmp_path / "best", "--fps", 5, *CLASSICAL, "--min-frames", 1)
    fiqa("score", tmp_path / "best" / "crops", "--aligned", "-o", tmp_path / "s.csv", *CLASSICAL)
    scored = {row["sample_id"]: float(row["score"]) for row in table(tmp_path / "s.csv")}
    kept = {row["sample_id"]: float(row["score"]) for row in table(tmp_path / "best" / "best.csv")}
    assert scored.keys() == kept.keys()
    assert json.loads((tmp_path / "best" / "header.json").read_text())["looked_at"] == 10


def test_the_shipped_model_gives_points(film, tmp_path):
    fiqa("best", film, "-o", tmp_path / "best", "--fps", 5)
    (row, *_) = table(tmp_path / "best" / "best.csv")
    assert 0 <= int(row["score100"]) <= 100


def test_memory_does_not_grow_with_the_video(film, faces, tmp_path):
    still = scene((faces[0], 100))

    def peak(count):
        path = write_video(tmp_path / f"{count}.mkv", [still] * count)
        tracemalloc.start()
        fiqa("best", path, "-o", tmp_path / f"out{count}", "-k", 1, "--distance", 0, *CLASSICAL)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(120) < peak(40) + 20 * still.nbytes


def test_broken_frames_stop_nothing(film, tmp_path):
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    (tmp_path / "broken.mkv").write_bytes(content)
    fiqa("best", tmp_path / "broken.mkv", "-o", tmp_path / "best", *CLASSICAL)
    header = json.loads((tmp_path / "best" / "header.json").read_text())
    assert header["decoded"] < 50
    assert len(table(tmp_path / "best" / "tracks.csv")) >= 2


def test_what_is_refused(film, tmp_path):
    grey = write_video(tmp_path / "grey.mkv", [np.full((120, 160, 3), 90, np.uint8)] * 5)
    with pytest.raises(
        DataError, match=r"no face was followed over 3 frames of .*grey\.mkv \(5 decoded, 0 br"
    ):
        fiqa("best", grey, "-o", tmp_path / "best", *CLASSICAL)
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.mp4 cannot be opened as a video"):
        fiqa("best", tmp_path / "empty.mp4", "-o", tmp_path / "best", *CLASSICAL)
    with pytest.raises(DataError, match="has no video stream; it holds audio"):
        fiqa("best", write_sound(tmp_path / "s.wav"), "-o", tmp_path / "best", *CLASSICAL)
    with pytest.raises(SettingsError, match="best shots need k of 1 or more"):
        fiqa("best", film, "-o", tmp_path / "best", "-k", 0, *CLASSICAL)
    assert not (tmp_path / "best").exists()
    assert not list(tmp_path.glob(".tmp-*"))


def test_times_of_a_video():
    assert [clock(at) for at in (0, 7.46, 59.96, 3723.4)] == ["0:00.0", "0:07.5", "1:00.0", "1:02:03.4"]
