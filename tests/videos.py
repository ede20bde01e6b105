"""Videos for tests, of frames that they make."""

from __future__ import annotations

import av
import numpy as np


def write_video(path, frames, *, rate=25, codec="ffv1", pixels="bgr0", rotation=0):
    """uint8 RGB frames (h, w, 3) to a file; lossless unless another codec is named."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if rotation:
            stream.set_display_rotation(rotation)
        for image in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def write_sound(path):
    """A second of silence without a picture."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path
