"""Face detection with five landmarks: YuNet through onnxruntime.

Source: Wu, Peng, Yu, YuNet: a tiny millisecond-level face detector, Machine Intelligence Research 2023,
doi:10.1007/s11633-023-1423-y. Weights of OpenCV Zoo; the decoding agrees with OpenCV's own to 1e-4 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError, SettingsError
from ..models.onnx_session import Session
from ..models.onnx_wire import free_image, without_scalar_blocks
from ..models.weights import find_weights

_STRIDES = (8, 16, 32)
_OUTPUTS = ("cls", "obj", "bbox", "kps")
_MAX_OVERLAP = 0.3
_RETRY_SIDE, _RETRY_BORDER = 320, 80


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face, in pixels of the photograph.

    Attributes:
        box: (4,) float32 left, top, width, height; may reach beyond the photograph.
        landmarks: (5, 2) float32 x, y of right eye, left eye, nose, right and left mouth corner (the
            person's own sides: in an upright photograph the right eye is on the left).
        confidence: Detector score in [0, 1], higher = more certainly a face.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    confidence: float


class Detector:
    """Finds faces; can be pickled, and starts in some 20 ms."""

    def __init__(
        self,
        weights: Path | None = None,
        *,
        max_side: int = 640,
        min_confidence: float = 0.6,
        threads: int | None = None,
    ) -> None:
        """Load the network.

        Args:
            weights: The YuNet file, if not in the usual places (see `find_weights`).
            max_side: Photographs with a longer side are searched at this size, in pixels. Faces of about
                10 to 300 pixels are found in what is searched.
            min_confidence: Least detector score of a face, in (0, 1].
            threads: Cores a run may use; None takes all of them.

        Raises:
            SettingsError: If a setting is out of range.
            WeightsError: If the weights are absent or altered.
        """
        if max_side < 32 or not 0 < min_confidence <= 1:
            raise SettingsError(
                "a detector needs max_side >= 32 and min_confidence in (0, 1], "
                f"got {max_side} and {min_confidence}"
            )
        self.max_side, self.min_confidence = max_side, min_confidence
        model = without_scalar_blocks(free_image(find_weights("yunet", weights).read_bytes()))
        self._session = Session(model, threads=threads, dequantised=True)
        names = self._session.output_names
        self._places = [[names.index(f"{name}_{stride}") for name in _OUTPUTS] for stride in _STRIDES]

    def detect(self, image: NDArray[np.uint8]) -> list[Face]:
        """All faces of a photograph, the most confident first.

        Where none is found, one more look is taken at the photograph brought to a longer side of 320 pixels
        inside a border: that finds faces that fill the frame, and small loose crops.

        Args:
            image: uint8 RGB (height, width, 3).

        Raises:
            DataError: If the image has another form.
        """
        longer = max(check_image(image))
        faces = self._look(image, scale=min(1.0, self.max_side / longer), border=0)
        return faces or self._look(image, scale=_RETRY_SIDE / longer, border=_RETRY_BORDER)

    def _look(self, image: NDArray[np.uint8], *, scale: float, border: int) -> list[Face]:
        """Faces found in the scaled image, in the pixels of the image itself."""
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = image if scale == 1 else cv2.resize(image, (width, height), interpolation=filter_)
        canvas = np.zeros((3, _padded(height + 2 * border), _padded(width + 2 * border)), np.float32)
        canvas[:, border : border + height, border : border + width] = resized[..., ::-1].transpose(2, 0, 1)
        boxes, landmarks, confidences = self._decode(self._session(canvas[None]), canvas.shape[2])
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), confidences.tolist(), 0.0, _MAX_OVERLAP)
        stretch = np.array((image.shape[1] / width, image.shape[0] / height), np.float32)
        return [
            Face(
                box=np.concatenate(((boxes[row, :2] - border) * stretch, boxes[row, 2:] * stretch)),
                landmarks=(landmarks[row] - border) * stretch,
                confidence=float(confidences[row]),
            )
            for row in kept
        ]

    def _decode(
        self, outputs: list[NDArray[np.float32]], width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (k, 4), landmarks (k, 5, 2) and confidences (k,) of the cells that see a face.

        A cell of stride s at column c and row r predicts its box centre as ((c, r) + offset) * s, the box
        size as exp(offset) * s, landmarks as ((c, r) + offset) * s, and its score as sqrt(class * object).
        """
        boxes, landmarks, confidences = [], [], []
        for stride, places in zip(_STRIDES, self._places, strict=True):
            classes, objects, offsets, points = (outputs[place][0] for place in places)
            scores = np.sqrt(classes.clip(0, 1) * objects.clip(0, 1))[:, 0]
            hits = np.flatnonzero(scores >= self.min_confidence)
            cells = np.stack(np.divmod(hits, width // stride)[::-1], axis=1).astype(np.float32)
            centres, sizes = cells + offsets[hits, :2], np.exp(offsets[hits, 2:])
            boxes.append(np.hstack((centres - sizes / 2, sizes)) * stride)
            landmarks.append((points[hits].reshape(-1, 5, 2) + cells[:, None]) * stride)
            confidences.append(scores[hits])
        return np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(confidences)


def check_image(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width of a uint8 RGB image (height, width, 3); another form is a DataError."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DataError(f"expected a uint8 RGB image (h, w, 3), got {image.dtype} of shape {image.shape}")
    height, width = image.shape[:2]
    return height, width


def _padded(length: int) -> int:
    """The next multiple of the coarsest stride."""
    return -(-length // _STRIDES[-1]) * _STRIDES[-1]
