"""ONNX graphs without the onnx library: the names of their ends, and whether one is complete in itself.

onnxruntime loads tensors that a graph says lie in other files. These would escape the hashes of bundle.json, so a
graph that names any is refused. Fields are numbered as in onnx.proto (ONNX 1.17).
"""

from __future__ import annotations

from collections.abc import Iterator

from lesionlab.errors import ModelError

INPUT, OUTPUT, FEATURES = "pixels", "logits", "features"
"""A graph's ends: `pixels` uint8 (n, size, size, 3) RGB; `logits` float32 (n, 7); `features` float32 (n, c, h, w)."""

_WITHIN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Message -> number of a field -> the message that it holds, as far as tensors can lie in it."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DEPTH = 64


def check_self_contained(graph: bytes, label: str) -> None:
    """Raise `ModelError`, naming `label`, for a graph with a tensor outside of itself, or one that is no ONNX."""
    try:
        outside = _outside(memoryview(graph), "model", _DEPTH)
    except (ValueError, IndexError):
        raise ModelError(f"{label}: cannot be loaded: not an ONNX graph", "take the model anew") from None
    if outside:
        raise ModelError(f"{label}: has tensors in other files", "take the model anew")


def _outside(message: memoryview, kind: str, depth: int) -> bool:
    """Return whether a message holds a tensor whose values lie elsewhere; `ValueError` for one that is none."""
    if not depth:
        raise ValueError("too deep")
    for number, value in _fields(message):
        if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value)):
            return True
        inner = _WITHIN[kind].get(number)
        if inner and not isinstance(value, memoryview):
            raise ValueError("a number for a message")
        if inner and isinstance(value, memoryview) and _outside(value, inner, depth - 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield each field's number, and its bytes or its whole number (0 for a number of fixed width)."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        length, place = _varint(message, place) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), place)
        if length < 0 or place + length > len(message):
            raise ValueError("no field of a graph")
        yield key >> 3, message[place : place + length] if kind == 2 else 0
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return the number at `place`, seven bits a byte, and the place behind it; `IndexError` at the end."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("no number")
