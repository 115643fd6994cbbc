"""A bundle's graph in onnxruntime: pixels in, logits out, without torch."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.models.bundle import Bundle


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """A loaded graph.

    Parameters
    ----------
    bundle : the model.
    threads : threads within one operation; every processor that this process may use where None.

    Raises `ModelError` for a graph that onnxruntime refuses, or of other inputs or outputs than the bundle says.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or processors()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: its warnings concern the graph's maker
        self.size = bundle.size
        self._path = bundle.onnx
        try:
            self._session = onnxruntime.InferenceSession(str(bundle.onnx), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's faults have no common class below Exception
            reason = str(error).strip().partition("\n")[0][:200]
            raise ModelError(f"{bundle.onnx}: cannot be loaded: {reason}", "take the model anew") from None
        self._check()

    def _check(self) -> None:
        """Raise `ModelError` unless the graph maps uint8 (n, size, size, 3) to float32 (n, 7)."""
        found = [
            (node.type, list(node.shape[1:]))
            for nodes in (self._session.get_inputs(), self._session.get_outputs())
            for node in nodes
        ]
        wanted = [("tensor(uint8)", [self.size, self.size, 3]), ("tensor(float)", [len(CODES)])]
        if found != wanted:
            raise ModelError(f"{self._path}: takes and gives {found}, not {wanted}", "take the model anew")
        self._input = self._session.get_inputs()[0].name

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return logits, float32 (n, 7) in the order of `CODES`, of uint8 RGB pixels (n, size, size, 3).

        Raises `ValueError` for pixels of another type or shape, and `ModelError` for answers that are no numbers.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"pixels {pixels.dtype} {pixels.shape} are not uint8 (n, {self.size}, {self.size}, 3)")
        answer: npt.NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(pixels)})[0]
        if not np.isfinite(answer).all():
            raise ModelError(f"{self._path}: its answers are not finite numbers", "take the model anew")
        return answer
