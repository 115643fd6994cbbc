"""Graphs of less precision: half the size with weights in 16 bits, a quarter with nearly all convolutions in 8 bits.

Weights in 16 bits are turned back into 32 when the graph is loaded, so only their rounding is felt, and answers take as
long as before. 8 bits are quicker too where the processor multiplies them (AVX512-VNNI, or ARM's dot products).
Both need the onnx library; neither is taken on trust: `training.exporting` measures what it costs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.models.graphs import INPUT

SMALL = 256
"""Tensors of fewer numbers stay in 32 bits: they weigh nothing, and shapes and scales are among them."""

LARGEST = float(np.finfo(np.float16).max)
BATCH = 16

STEM = 3
"""The first convolutions stay in 32 bits: what is lost on the pixels, nothing after them brings back.

An EfficientNet-Lite2 gave 80 % of 400 validation images the answer of full precision with all convolutions in 8 bits,
94 % without the first of them, 95 % without the first three.
"""


def in_half(graph: bytes) -> bytes:
    """Return an ONNX graph whose weights are stored in 16 bits (IEEE half precision), the nearest to theirs."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    casts = []
    for tensor in model.graph.initializer:
        values, name = numpy_helper.to_array(tensor), tensor.name
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL or np.abs(values).max() > LARGEST:
            continue
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    return bytes(model.SerializeToString())


def in_8_bits(graph: bytes, pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an ONNX graph whose convolutions, but for the first `STEM`, and products are in 8 bits.

    Weights are scaled for each channel. The ranges of what flows between them are the means of those seen on batches
    of `pixels`, uint8 (n, size, size, 3), in the colours that the network sees: a single odd image does not stretch
    them. Weights use 7 of their 8 bits, as processors without VNNI would overflow silently with all. Jacob et al.,
    "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[dict[str, Any]] = (
                {INPUT: np.ascontiguousarray(pixels[first : first + BATCH])} for first in range(0, len(pixels), BATCH)
            )

        def get_next(self) -> dict[str, Any] | None:
            return next(self._batches, None)

    convolutions = [node.name for node in onnx.load_from_string(graph).graph.node if node.op_type == "Conv"]
    with tempfile.TemporaryDirectory() as name:
        whole, prepared, small = (Path(name) / f"{step}.onnx" for step in ("whole", "prepared", "small"))
        whole.write_bytes(graph)
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(small), Reader(),
            op_types_to_quantize=["Conv", "Gemm", "MatMul"], quant_format=QuantFormat.QDQ, per_channel=True,
            reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=convolutions[:STEM],
            calibrate_method=CalibrationMethod.MinMax, extra_options={"CalibMovingAverage": True},
        )  # fmt: skip
        return small.read_bytes()
