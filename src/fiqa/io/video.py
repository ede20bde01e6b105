"""A video to upright RGB frames with their times; what cannot be decoded is passed over and counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..core.optional import require
from .images import MAX_PIXELS


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        number: Its place among the frames that could be decoded, from 0.
        seconds: Since the first of them, never falling.
        image: uint8 RGB (height, width, 3), upright.
    """

    number: int
    seconds: float
    image: NDArray[np.uint8]


class Video:
    """The first video stream of an open file; made by `open_video`.

    Attributes:
        decoded: Frames decoded so far.
        broken: Packets and frames passed over so far.
        expected: About how many frames there will be, 0 where the file does not say.
    """

    def __init__(self, path: Path, container: Any) -> None:
        self.decoded = self.broken = 0
        self._path, self._container = path, container
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._rate = float(self._stream.average_rate or 25)
        seconds = float(self._stream.duration * self._stream.time_base) if self._stream.duration else 0.0
        self.expected = self._stream.frames or round(self._rate * seconds)

    def frames(self, *, fps: float | None = None) -> Iterator[Frame]:
        """The frames in the order in which they are shown, one at a time.

        Args:
            fps: Frames a second to give, spread evenly; None gives all of them.

        Raises:
            SettingsError: If `fps` is not above 0.
            DataError: If frames are larger than 50 megapixels.
        """
        if fps is not None and not fps > 0:
            raise SettingsError(f"fps must be above 0, got {fps}")
        seconds, start, due = 0.0, None, 0.0
        for frame in self._decoded():
            at = seconds + 1 / self._rate if frame.time is None else frame.time
            start = at if start is None else start
            seconds = max(seconds, at - start)
            number, self.decoded = self.decoded, self.decoded + 1
            if fps is not None:
                if seconds < due - 0.25 / self._rate:
                    continue
                due += 1 / fps
                if due <= seconds:  # after a gap
                    due = seconds + 1 / fps
            yield Frame(number, seconds, self._upright(frame))

    def _decoded(self) -> Iterator[Any]:
        """Every frame of the stream that is whole."""
        failures = require("av", extra="video", purpose="read videos").error
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except failures.FFmpegError:  # the file is cut short: what came before counts
                self.broken += 1
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except failures.FFmpegError:
                self.broken += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.broken += 1
                else:
                    yield frame

    def _upright(self, frame: Any) -> NDArray[np.uint8]:
        if frame.width * frame.height > MAX_PIXELS:
            raise DataError(
                f"{self._path} has frames of {frame.width} x {frame.height}, above the {MAX_PIXELS} pixels "
                "allowed; scale it down first"
            )
        image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)))


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """Open a video for the time of the block.

    Raises:
        MissingDependencyError: If PyAV is not installed.
        DataError: If the file is none that can be opened, or has no video stream.
    """
    av = require("av", extra="video", purpose="read videos")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} cannot be opened as a video: {error.strerror or error}") from error
    with container:
        if not container.streams.video:
            kinds = ", ".join(stream.type for stream in container.streams) or "no stream at all"
            raise DataError(f"{path} has no video stream; it holds {kinds}")
        yield Video(path, container)
