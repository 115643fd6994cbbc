"""Graphs of less precision: smaller, close, and of the same ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from lesionlab.models.bundle import HEAD, ONNX, Bundle, read_bundle
from lesionlab.models.onnx_export import difference, random_images
from lesionlab.models.quantise import STEM, in_8_bits, in_half
from lesionlab.models.tensors import write_tensors
from lesionlab.models.writing import rewrite_bundle
from lesionlab.prediction.runtime import Session


@pytest.fixture(scope="module")
def whole(make_member: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(make_member(tmp_path_factory.mktemp("whole") / "model"))


def answers(bundle: Bundle, graph: bytes, precision: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    head = write_tensors({bundle.head: bundle.head_weight()})
    made = rewrite_bundle(folder, bundle, {ONNX: graph, HEAD: head}, precision=precision)
    return Session(made, threads=1).features(random_images(12, 64, seed=2))


def test_half_is_the_rounding_of_the_weights_and_no_more(whole: Bundle, tmp_path: Path) -> None:
    expected = Session(whole, threads=1).features(random_images(12, 64, seed=2))
    graph = in_half(whole.read(ONNX))
    assert len(graph) < 0.6 * len(whole.read(ONNX))
    found = answers(whole, graph, "fp16", tmp_path / "m")
    assert 0 < difference(expected[0], found[0]) < 0.05
    assert difference(expected[1], found[1]) < 5e-3
    before = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load_from_string(whole.read(ONNX)).graph.initializer}
    for tensor in onnx.load_from_string(graph).graph.initializer:
        values, name = onnx.numpy_helper.to_array(tensor), tensor.name.removesuffix("_half")
        np.testing.assert_array_equal(values, before[name].astype(values.dtype))


def test_8_bits_are_close_and_of_the_same_ends(whole: Bundle, tmp_path: Path) -> None:
    pixels = random_images(12, 64, seed=2)
    graph = in_8_bits(whole.read(ONNX), pixels)
    assert len(graph) < 0.4 * len(whole.read(ONNX))
    expected, found = Session(whole, threads=1).features(pixels), answers(whole, graph, "int8", tmp_path / "m")
    # the maps, because this network without training has a head that makes much of little
    assert difference(expected[1], found[1]) < 0.2
    assert np.corrcoef(expected[1].ravel(), found[1].ravel())[0, 1] > 0.95
    nodes = onnx.load_from_string(graph).graph.node
    made_by = {name: node.op_type for node in nodes for name in node.output}
    inside = [made_by.get(node.input[0]) for node in nodes if node.op_type == "Conv"]
    assert "DequantizeLinear" not in inside[:STEM], "the first convolutions see what they always saw"
    assert inside[STEM:] and set(inside[STEM:]) == {"DequantizeLinear"}
    assert in_8_bits(whole.read(ONNX), pixels) == graph, "the same images, the same graph"
