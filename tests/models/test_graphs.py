"""The walk through a graph's bytes finds tensors that lie elsewhere, and takes nothing else for a graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from lesionlab.errors import ModelError
from lesionlab.models.bundle import ONNX, read_bundle
from lesionlab.models.graphs import check_self_contained


def elsewhere() -> TensorProto:
    """Return a tensor that lies in another file."""
    tensor = TensorProto(name="t", data_type=1, dims=[1])
    tensor.external_data.add(key="location", value="x")
    return tensor


def in_attribute(**values: object) -> onnx.ModelProto:
    attribute = onnx.AttributeProto(name="value")
    for name, value in values.items():
        part = getattr(attribute, name)
        if isinstance(value, list):
            part.extend(value)
        else:
            part.CopyFrom(value)
    node = helper.make_node("Constant", [], ["t"])
    node.attribute.append(attribute)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def in_function() -> onnx.ModelProto:
    made = helper.make_model(helper.make_graph([], "g", [], []))
    node = helper.make_node("Constant", [], ["t"], value=elsewhere())
    made.functions.append(helper.make_function("d", "f", [], ["t"], [node], [helper.make_opsetid("", 17)]))
    return made


def sparse() -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=elsewhere(), dims=[1])


PLACES = {
    "initializer": lambda: helper.make_model(helper.make_graph([], "g", [], [], [elsewhere()])),
    "sparse initializer": lambda: helper.make_model(
        helper.make_graph([], "g", [], [], sparse_initializer=[sparse()])
    ),
    "attribute": lambda: in_attribute(t=elsewhere()),
    "attributes": lambda: in_attribute(tensors=[elsewhere()]),
    "sparse attribute": lambda: in_attribute(sparse_tensor=sparse()),
    "branch": lambda: in_attribute(g=helper.make_graph([], "b", [], [], [elsewhere()])),
    "branches": lambda: in_attribute(graphs=[helper.make_graph([], "b", [], [], [elsewhere()])]),
    "function": in_function,
}  # fmt: skip


@pytest.mark.parametrize("make", PLACES.values(), ids=PLACES.keys())
def test_a_tensor_elsewhere_is_found_wherever_it_is_named(make: Callable[[], onnx.ModelProto]) -> None:
    with pytest.raises(ModelError, match=r"m\.onnx: has tensors in other files"):
        check_self_contained(make().SerializeToString(), "m.onnx")


def test_a_real_graph_is_complete(make_member: Callable[..., Path], tmp_path: Path) -> None:
    check_self_contained(read_bundle(make_member(tmp_path / "model")).read(ONNX), "m.onnx")


def nested(depth: int) -> bytes:
    """Return a graph in the branch of a graph, and so on."""
    graph = b""
    for _ in range(depth):
        for tag in (0x32, 0x2A, 0x0A):  # attribute.g, node.attribute, graph.node
            size = len(graph)
            length = bytearray()
            while size > 127:
                length.append(size & 127 | 128)
                size >>= 7
            graph = bytes([tag, *length, size]) + graph
    return b"\x3a" + bytes([len(graph) & 127 | 128, len(graph) >> 7]) + graph


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04K\x01.",
        b"PK\x03\x04" + b"\xff" * 40,
        b"\x3a\x7f",
        b"\x3a",
        b"\xff" * 30,
        b"\x3b",
        b"\x38\x01",
        nested(60),
    ],
    ids=["pickle", "zip", "too short", "no length", "no number", "group", "number for a graph", "very deep"],
)
def test_other_bytes_are_no_graph(content: bytes) -> None:
    with pytest.raises(ModelError, match="not an ONNX graph"):
        check_self_contained(content, "m.onnx")
