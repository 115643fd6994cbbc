"""What a DICOM file holds: the few values that pixels need, and where these lie; all the rest stays behind.

A DICOM file is mostly about a person. Its elements nest and may be deflated, and a few kilobytes of them can claim
gigabytes. So they are walked here within fixed bounds, and names, dates and identifiers are passed over unread.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAX_ELEMENTS = 20_000
"""Most elements before the pixels, nested ones counted; a photograph has a few hundred."""

MAX_META = 100
"""Most elements of group 0002, which says how the file is written; the standard has about 15."""

MAX_DEPTH = 32
"""Deepest nesting; each sequence takes two, its items being one."""

MAX_FRAGMENTS = 10_000
"""Most pieces of compressed pixels; a single frame has one, rarely a few."""

MAX_VALUE = 1 << 17
"""Most bytes of one value that is kept: a palette of 65,536 colours of 16 bits."""

MAX_INFLATED = 80 * 2**20
"""Most bytes that a deflated file may become, the same as a file may have."""

DEFLATED_STEP = 1 << 14
"""Bytes that are inflated at a time; they become 16 MiB at most, as deflate shortens a thousandfold."""

PREAMBLE = 132
"""Bytes before the first element: 128 of any kind and "DICM"."""

DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
META_CLASS, META_SYNTAX, PIXELS = 0x0002_0002, 0x0002_0010, 0x7FE0_0010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFE_E000, 0xFFFE_E00D, 0xFFFE_E0DD
UNDEFINED = 0xFFFF_FFFF

KEPT = frozenset((0x0008_0016, 0x0008_0060)) | frozenset(
    0x0028_0000 + number
    for number in (2, 4, 6, 8, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x1101, 0x1102, 0x1103, 0x1201, 0x1202, 0x1203)
)
"""Class, modality, and group 0028 on samples, colours, frames, size, bits and palette (PS3.3 C.7.6.3)."""

LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT = frozenset((b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN")) | (
    frozenset((b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"))
)
"""Value representations with a 32-bit and with a 16-bit length (PS3.5 7.1.2)."""

TRUNCATED, DAMAGED = "truncated DICOM file", "damaged DICOM file"


@dataclass(frozen=True)
class Elements:
    """A DICOM file's transfer syntax and media class as text, kept elements as they stand, and its pixels.

    `pixels` is None where there are none. Those of a compressed syntax are one frame's codestream, `framed` is True.
    """

    syntax: str
    media_class: str
    kept: bytes
    implicit: bool
    pixels: bytes | memoryview | None
    framed: bool


@dataclass(frozen=True)
class Element:
    """The head of one element: tag, value representation (b"" where implicit), its value's offset and length."""

    tag: int
    kind: bytes
    start: int
    length: int


def read_elements(content: bytes) -> Elements:
    """Return what a DICOM Part 10 file says of its pixels.

    Raises `ValueError`, without a word of the file in it, where the file is damaged, cut short, inflates to more than
    `MAX_INFLATED` bytes, or holds more elements, deeper nesting or more fragments than allowed.
    """
    try:
        meta, start = _meta(content)
        syntax = _text(meta.get(META_SYNTAX, b""))
        data = memoryview(content)[start:]
        if syntax == BIG_ENDIAN:
            raise ValueError("DICOM in Explicit VR Big Endian, which cannot be read here")
        if syntax == DEFLATED:
            data = memoryview(_inflate(data))
        implicit = bytes(data[4:6]) not in LONG | SHORT  # some writers say one and write the other
        kept, found = _walk(data, implicit)
        pixels: bytes | memoryview | None = None
        if found and found.length == UNDEFINED:
            pixels = _frame(data, found.start)
        elif found:
            pixels = data[found.start : found.start + found.length]
    except struct.error:
        raise ValueError(TRUNCATED) from None
    framed = bool(found and found.length == UNDEFINED)
    return Elements(syntax, _text(meta.get(META_CLASS, b"")), kept, implicit, pixels, framed)


def _meta(content: bytes) -> tuple[dict[int, bytes], int]:
    """Return the values of group 0002, which is always explicit, and where the group ends."""
    values: dict[int, bytes] = {}
    data, at = memoryview(content), PREAMBLE
    for _ in range(MAX_META):
        if content[at : at + 2] != b"\x02\x00":
            return values, at
        element = _element(data, at, implicit=False)
        at = element.start + element.length
        if at > len(data):
            raise ValueError(TRUNCATED)
        if element.tag in (META_CLASS, META_SYNTAX):
            values[element.tag] = bytes(data[element.start : at])
    raise ValueError(DAMAGED)


def _walk(data: memoryview, implicit: bool) -> tuple[bytes, Element | None]:
    """Return the kept elements, joined as they stand, and the head of the pixels, None where there are none."""
    kept: dict[int, bytes] = {}
    levels, at = [implicit], 0  # for each level of nesting whether it is implicit
    for _ in range(MAX_ELEMENTS):
        outermost = len(levels) == 1
        if at >= len(data) and outermost:
            return b"".join(kept.values()), None
        element, begin = _element(data, at, levels[-1]), at
        at = element.start
        if element.tag in (ITEM_END, SEQUENCE_END):
            if outermost:
                raise ValueError(DAMAGED)
            levels.pop()
        elif element.tag == PIXELS and outermost:
            if element.length != UNDEFINED and at + element.length > len(data):
                raise ValueError(TRUNCATED)
            return b"".join(kept.values()), element
        elif element.length == UNDEFINED:
            if len(levels) > MAX_DEPTH:
                raise ValueError("a DICOM file whose sequences nest too deeply")
            levels.append(levels[-1] or element.kind == b"UN")  # PS3.5 6.2.2, note on UN of undefined length
        else:
            at += element.length
            if at > len(data):
                raise ValueError(TRUNCATED)
            if outermost and element.tag in KEPT and element.length <= MAX_VALUE:
                kept[element.tag] = bytes(data[begin:at])
    raise ValueError(f"a DICOM file of more than {MAX_ELEMENTS} elements")


def _element(data: memoryview, at: int, implicit: bool) -> Element:
    """Return the head of the element at an offset; `struct.error` where the file ends within."""
    group, number, length = struct.unpack_from("<HHI", data, at)
    tag = group << 16 | number
    if implicit or group == 0xFFFE:
        return Element(tag, b"", at + 8, length)
    kind = bytes(data[at + 4 : at + 6])
    if kind in LONG:
        return Element(tag, kind, at + 12, struct.unpack_from("<I", data, at + 8)[0])
    if kind not in SHORT:
        raise ValueError(DAMAGED)
    return Element(tag, kind, at + 8, length >> 16)


def _frame(data: memoryview, at: int) -> bytes:
    """Return the fragments of compressed pixels, joined; the first item is a table of offsets (PS3.5 A.4)."""
    parts: list[memoryview] = []
    for _ in range(MAX_FRAGMENTS):
        item = _element(data, at, implicit=True)
        at = item.start + item.length
        if item.tag == SEQUENCE_END:
            return b"".join(parts[1:])
        if item.tag != ITEM:
            raise ValueError(DAMAGED)
        if at > len(data):
            raise ValueError(TRUNCATED)
        parts.append(data[item.start : at])
    raise ValueError(f"compressed pixels in more than {MAX_FRAGMENTS} pieces")


def _inflate(data: memoryview) -> bytearray:
    """Return the elements of a deflated file (RFC 1951, without header)."""
    stream, inflated = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    for at in range(0, len(data), DEFLATED_STEP):
        try:
            inflated += stream.decompress(data[at : at + DEFLATED_STEP])
        except zlib.error:
            raise ValueError(DAMAGED) from None
        if len(inflated) > MAX_INFLATED:
            raise ValueError(f"inflates to more than {MAX_INFLATED >> 20} MiB")
    return inflated


def _text(value: bytes) -> str:
    """Return an identifier (UI) as text, without its padding."""
    return value.rstrip(b"\0 ").decode("ascii", "replace")
