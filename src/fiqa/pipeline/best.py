"""Stage best: the best frames of each face in a video."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..core.errors import DataError
from ..core.protocols import Progress, QualityMethod
from ..core.types import FaceCrops
from ..deploy.best_shot import BestShots, Shot
from ..explain.strip import strip
from ..faces.detect import Detector, Face
from ..faces.extract import cut_out
from ..faces.track import Cuts, Tracker
from ..io.atomic import HEADER, atomic
from ..io.images import write_image
from ..io.store import write_json
from ..io.tables import write_table
from ..io.video import Frame, Video, open_video
from .models import DEPLOYED, MethodStage
from .settings import setting
from .source import WORKERS

_BATCH = 8
"""Frames that are held at a time."""


@dataclass(frozen=True, kw_only=True)
class Best(MethodStage):
    """Follow each face of a video from cut to cut and keep its best frames.

    Writes best.csv (one row a frame kept: sample_id, path, track, rank, frame, seconds, score, …), tracks.csv
    (one row a face), aligned crops as crops/TRACK/RANK.png, and strips/TRACK.png to look at. Without a method
    or model the shipped model scores. Tracks are numbered in order of appearance; those seen in fewer than
    --min-frames frames are passed over.
    """

    name: ClassVar[str] = "best"
    video: Path = setting(help="Video file, of any kind that FFmpeg reads.", argument=True)
    k: int = setting(5, help="Frames to keep of each face.", flags=("-k",))
    distance: float = setting(0.5, help="Least seconds between two of them.")
    fps: float | None = setting(None, help="Frames a second to look at; all of them by default.")
    min_frames: int = setting(3, help="Frames that a face must be seen in.")
    max_gap: float = setting(1.0, help="Seconds for which a face may be out of sight.")
    detect_size: int = setting(640, help="Longer side at which larger frames are searched.")

    def run(self, progress: Progress) -> None:
        """Write the folder."""
        method = self.build(self.method_name(default=DEPLOYED))
        with open_video(self.video) as video, atomic(self.output) as folder:
            folder.mkdir()
            search = _Search(self, method, folder)
            search.watch(video, progress)
            search.close(video)

    def tracker(self) -> Tracker:
        """What follows the faces."""
        return Tracker(max_gap=self.max_gap)

    def shots(self) -> BestShots:
        """What keeps the best frames of one face."""
        return BestShots(self.k, distance=self.distance)


@dataclass
class _Search:
    """What is known of a video up to some frame, and the folder that finished tracks go to."""

    stage: Best
    method: QualityMethod
    folder: Path
    open: dict[int, BestShots] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"looked_at": 0, "cuts": 0, "passed_over": 0})

    def watch(self, video: Video, progress: Progress) -> None:
        """Look at every frame, a few at a time."""
        detector = Detector(max_side=self.stage.detect_size, threads=1)
        tracker, cuts = self.stage.tracker(), Cuts()
        frames = video.frames(fps=self.stage.fps)
        with ThreadPoolExecutor(WORKERS) as pool:
            while batch := list(itertools.islice(frames, _BATCH)):
                self.counts["looked_at"] += len(batch)
                seen: list[tuple[int, Frame, Face]] = []
                ended: list[int] = []
                found = pool.map(detector.detect, [frame.image for frame in batch])
                for frame, faces in zip(batch, found, strict=True):
                    if cuts(frame.image):
                        self.counts["cuts"] += 1
                        ended += tracker.flush()
                    boxes = np.array([face.box for face in faces]).reshape(-1, 4)
                    numbers, gone = tracker.update(boxes, frame.seconds)
                    ended += gone
                    seen += [(number, frame, face) for number, face in zip(numbers, faces, strict=True)]
                self._offer(seen)
                self._finish(ended)
                progress(video.decoded, max(video.expected, video.decoded))
        self._finish(tracker.flush())

    def _offer(self, seen: list[tuple[int, Frame, Face]]) -> None:
        """Score the faces of a batch and hand each to its track."""
        if not seen:
            return
        spec = self.method.spec
        cut = [
            cut_out(frame.image, [face.landmarks], crop=spec.crop, size=spec.size) for _, frame, face in seen
        ]
        crops = FaceCrops.joined(cut)
        scores = self.method.score(crops)
        meaning = self.method.columns(scores) if hasattr(self.method, "columns") else {}
        for row, (track, frame, face) in enumerate(seen):
            columns = {name: column[row].item() for name, column in meaning.items()}
            columns["confidence"] = face.confidence
            columns |= {f"box_{name}": at for name, at in zip(_BOX, face.box.tolist(), strict=True)}
            shot = Shot(frame.number, frame.seconds, crops.images[row].copy(), float(scores[row]), columns)
            self.open.setdefault(track, self.stage.shots()).offer(shot)

    def _finish(self, ended: list[int]) -> None:
        """Write what is kept of tracks that have ended, and forget them."""
        for track in ended:
            kept = self.open.pop(track)
            if kept.seen < self.stage.min_frames:
                self.counts["passed_over"] += 1
                continue
            shots = kept.best()
            for rank, shot in enumerate(shots, start=1):
                name = f"{track:04}/{rank}.png"
                write_image(self.folder / "crops" / name, shot.crop)
                own = {"sample_id": name, "path": f"crops/{name}", "track": track, "rank": rank}
                times = {"frame": shot.frame, "seconds": round(shot.seconds, 3)}
                self.rows.append({**own, **times, "score": shot.score, **shot.columns})
            span = f"{clock(kept.first)} to {clock(kept.last)}"
            picture = strip(
                f"Face {track}, {span}, {kept.seen} frames",
                [shot.crop for shot in shots],
                [(_points(shot), clock(shot.seconds)) for shot in shots],
            )
            write_image(self.folder / "strips" / f"{track:04}.png", picture)
            facts = {"track": track, "start": round(kept.first, 3), "end": round(kept.last, 3)}
            more = {"frames": kept.seen, "mean_score": kept.mean, "best_score": shots[0].score}
            self.tracks.append({**facts, **more, "strip": f"strips/{track:04}.png"})

    def close(self, video: Video) -> None:
        """Write the tables.

        Raises:
            DataError: If nothing could be decoded, or no face was followed.
        """
        counts = {"decoded": video.decoded, "broken": video.broken, **self.counts}
        if not self.tracks:
            told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
            raise DataError(
                f"no face was followed over {self.stage.min_frames} frames of {self.stage.video} ({told})"
            )
        for name, rows in (("best.csv", self.rows), ("tracks.csv", self.tracks)):
            rows.sort(key=lambda row: (row["track"], row.get("rank", 0)))
            write_table(self.folder / name, {key: np.array([row[key] for row in rows]) for key in rows[0]})
        facts = {**counts, "provenance": self.stage.provenance("best shots").to_json()}
        write_json(self.folder / HEADER, facts)


_BOX = ("x", "y", "width", "height")


def clock(seconds: float) -> str:
    """Time of a video, such as ``1:02:03.4`` or ``0:07.5``."""
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600 / 10
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _points(shot: Shot) -> str:
    """The score as people read it: points of 100 where the model has them."""
    return str(shot.columns.get("score100", f"{shot.score:.3g}"))
