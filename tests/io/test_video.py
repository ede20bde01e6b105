from __future__ import annotations

import numpy as np
import pytest

from fiqa.core.errors import DataError, SettingsError
from fiqa.io import video as module
from fiqa.io.video import open_video
from videos import write_sound, write_video


@pytest.fixture
def frames(rng):
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]


def read(path, **settings):
    with open_video(path) as video:
        return list(video.frames(**settings)), video


def test_every_frame_comes_as_it_was_written(frames, tmp_path):
    found, video = read(write_video(tmp_path / "v.mkv", frames))
    assert (video.decoded, video.broken) == (30, 0)
    assert [frame.number for frame in found] == list(range(30))
    np.testing.assert_allclose([frame.seconds for frame in found], np.arange(30) / 25, atol=1e-3)
    for frame, image in zip(found, frames, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_the_length_is_told_beforehand(frames, tmp_path):
    with open_video(write_video(tmp_path / "v.mp4", frames, codec="mpeg4", pixels="yuv420p")) as video:
        assert video.expected == 30


@pytest.mark.parametrize(
    ("fps", "numbers"), [(25, range(30)), (5, range(0, 30, 5)), (0.5, [0]), (99, range(30))]
)
def test_fewer_frames_a_second(frames, tmp_path, fps, numbers):
    found, video = read(write_video(tmp_path / "v.mkv", frames), fps=fps)
    assert [frame.number for frame in found] == list(numbers)
    assert video.decoded == 30


def test_uneven_rates_are_met_in_the_mean(frames, tmp_path):
    found, _ = read(write_video(tmp_path / "v.mkv", frames), fps=10)
    assert [frame.number for frame in found] == [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]


def test_after_a_gap_frames_go_on_as_far_apart(frames, tmp_path, monkeypatch):
    with open_video(write_video(tmp_path / "v.mkv", frames)) as video:
        whole = list(video._decoded())
        for number, frame in enumerate(whole):
            frame.pts += 10_000 * (number >= 15)  # milliseconds
        monkeypatch.setattr(video, "_decoded", lambda: iter(whole))
        assert [frame.number for frame in video.frames(fps=5)] == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_frames_stand_upright(frames, tmp_path, degrees, turns):
    path = write_video(tmp_path / "v.mov", frames, codec="png", pixels="rgb24", rotation=degrees)
    found, _ = read(path)
    np.testing.assert_array_equal(found[3].image, np.rot90(frames[3], turns))


def test_broken_frames_are_passed_over(tmp_path, rng):
    still = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
    path = write_video(tmp_path / "v.avi", [still] * 40, codec="png", pixels="rgb24")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2_000] = bytes(2_000)
    path.write_bytes(content)
    found, video = read(path)
    assert video.broken >= 1
    assert 37 <= len(found) < 40
    np.testing.assert_array_equal(found[-1].image, still)


def test_a_video_cut_short_gives_what_came_before(frames, tmp_path):
    path = write_video(tmp_path / "v.mkv", frames)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, _ = read(path)
    assert 10 <= len(found) < 20
    np.testing.assert_array_equal(found[5].image, frames[5])


def test_what_is_no_video_is_refused(frames, tmp_path, monkeypatch):
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.mp4 cannot be opened as a video: Invalid data"):
        read(tmp_path / "empty.mp4")
    with pytest.raises(DataError, match=r"gone\.mp4 cannot be opened as a video: No such file"):
        read(tmp_path / "gone.mp4")
    with pytest.raises(DataError, match=r"s\.wav has no video stream; it holds audio"):
        read(write_sound(tmp_path / "s.wav"))
    path = write_video(tmp_path / "v.mkv", frames)
    with pytest.raises(SettingsError, match="fps must be above 0, got 0"):
        read(path, fps=0)
    monkeypatch.setattr(module, "MAX_PIXELS", 100)
    with pytest.raises(DataError, match="frames of 64 x 48, above the 100 pixels"):
        read(path)
