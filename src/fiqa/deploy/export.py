"""A trained regressor as one ONNX file that takes raw crops; torch is needed here alone."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..core.errors import ExportError
from ..core.protocols import InputSpec
from .card import INPUT, OUTPUT

OPSET = 17
_CALIBRATION_BATCH = 16


class RawInput(nn.Module):
    """A network of prepared crops that takes raw ones: RGB values from 0 to 255 as float32.

    Attributes:
        network: Prepared crops (n, 3, size, size) to scores (n,).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: InputSpec, *, mirror: bool) -> None:
        super().__init__()
        self.network, self._bgr, self._mirror = network, spec.colour == "bgr", mirror
        self._plain = (spec.mean, spec.std) == (0.0, 1.0)
        self.register_buffer("mean", torch.from_numpy(spec.channel_mean.copy()))
        self.register_buffer("std", torch.from_numpy(spec.channel_std.copy()))

    def forward(self, images: Tensor) -> Tensor:
        """Scores (n,) of raw crops (n, 3, size, size)."""
        channels = images.flip(1) if self._bgr else images
        prepared = channels if self._plain else (channels - self.mean) / self.std
        both = torch.cat([prepared, prepared.flip(3)]) if self._mirror else prepared
        scores: Tensor = self.network(both)
        return scores.reshape(2, -1).mean(0) if self._mirror else scores


def to_onnx(regressor: nn.Module, spec: InputSpec, *, mirror: bool = False) -> bytes:
    """The regressor as an ONNX file: any batch, normalisation inside, batch normalisations folded.

    Args:
        regressor: In evaluation mode, on the CPU: prepared crops to scores (n,).
        spec: How it wants its crops.
        mirror: Give the mean of the scores of each crop and of its mirror image.

    Returns:
        A model of one input ``image`` (n, 3, size, size), RGB from 0 to 255, and one output ``quality`` (n,).

    Raises:
        ExportError: If a layer has no ONNX form.
    """
    example = torch.zeros(2, 3, spec.size, spec.size)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter by tracing is told to be old, and needs no package
        file = Path(folder, "model.onnx")
        try:
            torch.onnx.export(
                RawInput(regressor, spec, mirror=mirror).eval(),
                (example,),
                file,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
                opset_version=OPSET,
                dynamo=False,
            )
        except Exception as error:  # the exporter's errors share no base but Exception
            raise ExportError(f"this network has no ONNX form: {error}") from error
        return file.read_bytes()


def to_int8(model: bytes, images: NDArray[np.uint8]) -> bytes:
    """The model with 8-bit weights (one scale a channel) and activations, as quantise-dequantise pairs.

    The ranges of activations are the smallest and largest values met.

    Args:
        model: As `to_onnx` gives it.
        images: Crops (n, size, size, 3) uint8 RGB to meet, of every quality that will come.

    Raises:
        ExportError: If the model cannot be quantised.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        source, plain, result = (Path(folder, f"{name}.onnx") for name in ("float", "plain", "int8"))
        source.write_bytes(model)
        logging.getLogger().addFilter(_no_warning)
        try:
            quant_pre_process(source, plain, skip_symbolic_shape=True)
            quantize_static(
                plain,
                result,
                _Reader(images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise ExportError(f"the model cannot be quantised: {error}") from error
        finally:
            logging.getLogger().removeFilter(_no_warning)
        return result.read_bytes()


def _no_warning(record: logging.LogRecord) -> bool:
    """The quantiser warns, by the root logger, of each vector that it gives one scale, as it has to."""
    return record.levelno > logging.WARNING


class _Reader:
    """Hands crops to the calibration batch by batch."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        starts = range(0, len(images), _CALIBRATION_BATCH)
        self._batches = (
            InputSpec(size=images.shape[1]).prepare(images[at : at + _CALIBRATION_BATCH]) for at in starts
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch by input name, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}
