"""A bundle's graph in onnxruntime: pixels in, logits out, without torch."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.diagnoses import CODES
from lesionlab.errors import ModelError
from lesionlab.models.bundle import ONNX, Bundle
from lesionlab.models.graphs import FEATURES, INPUT, OUTPUT, check_self_contained


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
        self._label, self._maps = bundle.label(ONNX), bundle.features
        graph = bundle.read(ONNX)
        check_self_contained(graph, self._label)
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's faults have no common class below Exception
            reason = str(error).strip().partition("\n")[0][:200]
            raise ModelError(f"{self._label}: cannot be loaded: {reason}", "take the model anew") from None
        self._check()

    def _check(self) -> None:
        """Raise `ModelError` unless the graph maps uint8 (n, size, size, 3) to float32 (n, 7) and what else it says."""
        found = [
            (node.name, node.type, list(node.shape[1:]))
            for nodes in (self._session.get_inputs(), self._session.get_outputs())
            for node in nodes
        ]
        wanted: list[tuple[str, str, list[Any]]] = [
            (INPUT, "tensor(uint8)", [self.size, self.size, 3]),
            (OUTPUT, "tensor(float)", [len(CODES)]),
        ]
        if self._maps:
            plane = found[-1][2]
            whole = len(plane) == 3 and all(isinstance(side, int) and side > 0 for side in plane)
            wanted.append((FEATURES, "tensor(float)", plane if whole else ["channels", "rows", "columns"]))
        if found != wanted:
            raise ModelError(f"{self._label}: takes and gives {found}, not {wanted}", "take the model anew")

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return logits, float32 (n, 7) in the order of `CODES`, of uint8 RGB pixels (n, size, size, 3).

        Raises `ValueError` for pixels of another type or shape, and `ModelError` for answers that are no numbers.
        """
        return self._run([OUTPUT], pixels)[0]

    def features(self, pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return logits, float32 (n, 7), and the last feature map, float32 (n, c, h, w); see `logits`.

        Raises `ValueError` too for a model whose graph does not give the map.
        """
        if not self._maps:
            raise ValueError(f"{self._label}: gives no feature map")
        logits, maps = self._run([OUTPUT, FEATURES], pixels)
        return logits, maps

    def _run(self, outputs: list[str], pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"pixels {pixels.dtype} {pixels.shape} are not uint8 (n, {self.size}, {self.size}, 3)")
        answers: list[npt.NDArray[np.float32]] = self._session.run(outputs, {INPUT: np.ascontiguousarray(pixels)})
        if not all(np.isfinite(answer).all() for answer in answers):
            raise ModelError(f"{self._label}: its answers are not finite numbers", "take the model anew")
        return answers
