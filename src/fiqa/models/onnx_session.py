"""Recognisers through onnxruntime: fast, no torch, no gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..core.ahead import available_processors
from ..core.errors import WeightsError
from ..core.protocols import InputSpec
from .crop_network import CropNetwork, Gives

if TYPE_CHECKING:
    import onnx


class Session:
    """An onnxruntime session of one input that can be pickled, and so sent to worker processes."""

    def __init__(
        self, model: onnx.ModelProto | bytes, *, threads: int | None = None, dequantised: bool = False
    ) -> None:
        """Plan the model.

        Args:
            model: A plain model, as `read_graph` gives it, or the content of a file that is plain.
            threads: Cores a run may use; None takes all of them.
            dequantised: Whether integer weights are brought to float once, at the start, instead of in every
                run; for files that hold integers to be small, not to compute with them.

        Raises:
            WeightsError: If onnxruntime cannot run the model.
        """
        content = model if isinstance(model, bytes) else model.SerializeToString()
        self._start(content, threads, dequantised)

    def _start(self, model: bytes, threads: int | None, dequantised: bool) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        if dequantised:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise WeightsError(f"onnxruntime cannot run this model: {error}") from error
        self._settings = {"model": model, "threads": threads, "dequantised": dequantised}
        self._session = session
        self._input = session.get_inputs()[0].name
        self.output_names = tuple(output.name for output in session.get_outputs())

    def __call__(self, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """All outputs for one float32 input array; one of the wrong shape is a WeightsError."""
        try:
            return list(self._session.run(None, {self._input: batch}))
        except Exception as error:
            raise WeightsError(
                f"this model does not take an input of shape {batch.shape}: {error}"
            ) from error

    def first(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first output alone."""
        return self(batch)[0]

    def __getstate__(self) -> dict[str, Any]:
        return self._settings

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(**state)


def onnx_network(
    name: str,
    model: onnx.ModelProto | bytes,
    spec: InputSpec,
    *,
    gives: Gives,
    threads: int | None = None,
    dequantised: bool = False,
) -> CropNetwork:
    """A network of crops: batches side by side, each on one core, which no split of one batch equals.

    Args:
        name: Name in messages.
        model: As `Session` takes it.
        spec: How the network wants its crops.
        gives: What it is loaded for.
        threads: Cores to use; None takes all of them.
        dequantised: As `Session` takes it.

    Raises:
        WeightsError: If it cannot run, does not take such crops, or does not give what it is loaded for.
    """
    run = Session(model, threads=1, dequantised=dequantised).first
    return CropNetwork(name, spec, run=run, gives=gives, threads=threads or available_processors())


class OnnxRecogniser:
    """A recogniser of one input and one embedding output."""

    def __init__(
        self, name: str, spec: InputSpec, *, model: onnx.ModelProto | bytes, threads: int | None = None
    ) -> None:
        """Plan the network and try it on two black crops.

        Args:
            name: Name in results.
            spec: How the network wants its crops.
            model: A plain model, as `read_graph` gives it, or the content of a file; integer weights are
                brought to float.
            threads: Cores to use; None takes all of them.

        Raises:
            WeightsError: If the network cannot run, does not take crops as in `spec`, or does not return one
                embedding a crop.
        """
        self.name, self.spec = name, spec
        self._network = onnx_network(
            f"recogniser {name}", model, spec, gives="embedding", threads=threads, dequantised=True
        )
        self.dimension = self._network.width

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raw embeddings (n, dimension), not normalised, of uint8 RGB crops (n, size, size, 3).

        Raises:
            DataError: If the crops have another size.
        """
        return self._network(images)
