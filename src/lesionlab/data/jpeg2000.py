"""What a JPEG 2000 codestream claims, before a decoder reserves memory for it (ISO/IEC 15444-1, annex A)."""

from __future__ import annotations

import struct

MAX_TILES = 4096
"""Most tiles; a decoder reserves some kilobytes for each, whatever the file holds."""

MAX_TILE = 12_600_000
"""Largest tile in pixels, of which an image has usually one: a decoder takes 15 bytes for each beside the image's 4."""

MAX_RATIO = 1000
"""How much shorter a photograph can be than its pixels; codestreams that hold next to nothing are refused."""

MAX_PARTS = 20_000
"""Most headers of tile parts."""

MAX_LAYERS, MAX_PRECINCTS = 50, 100_000
"""Most quality layers, and most precincts of all tiles together; each layer of each precinct costs a packet."""

SIZE, STYLE, STYLE_OF_ONE, PART, DATA, END = 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
DAMAGED = "damaged JPEG 2000"


def check_codestream(content: bytes, columns: int, rows: int, samples: int) -> None:
    """Raise `ValueError` where a codestream is not of this size in pixels, 8 bits a sample, or claims too much."""
    try:
        if content[:4] != b"\xff\x4f\xff\x51":
            raise ValueError(DAMAGED)
        tiles = _check_size(content, columns, rows, samples)
        at, parts = _header(content, 2, tiles, columns * rows), 0
        while at + 4 <= len(content) and content[at : at + 2] == PART.to_bytes(2, "big"):
            (length,) = struct.unpack_from(">I", content, at + 6)
            _header(content, at + 12, tiles, columns * rows)
            parts += 1
            if parts > MAX_PARTS:
                raise ValueError(f"JPEG 2000 of more than {MAX_PARTS} parts")
            if length < 14:  # 0: up to the end
                return
            at += length
    except (struct.error, IndexError):
        raise ValueError("truncated JPEG 2000") from None


def _check_size(content: bytes, columns: int, rows: int, samples: int) -> int:
    """Check the size segment, which begins at byte 4, and return the number of tiles."""
    across, down, left, top, wide, high = struct.unpack_from(">6I", content, 8)
    (components,) = struct.unpack_from(">H", content, 40)
    if (across, down, left, top) != (columns, rows, 0, 0):
        raise ValueError("its JPEG 2000 is of another size than it says")
    if components != samples or content[42 : 42 + 3 * components] != b"\x07\x01\x01" * components:
        raise ValueError(f"its JPEG 2000 is not of {samples} x 8 bits a pixel, all samples of one size")
    if len(content) * MAX_RATIO < columns * rows * samples:
        raise ValueError(f"{len(content)} bytes of JPEG 2000 cannot be a photograph of {columns} x {rows}")
    if min(wide, columns) * min(high, rows) > MAX_TILE:
        raise ValueError(f"JPEG 2000 of more than {MAX_TILE / 1e6} megapixels in one tile")
    tiles = -(-across // wide) * -(-down // high) if wide and high else 0
    if not 0 < tiles <= MAX_TILES:
        raise ValueError(f"JPEG 2000 of more than {MAX_TILES} tiles")
    return tiles


def _header(content: bytes, at: int, tiles: int, pixels: int) -> int:
    """Return where a header, the main one or that of a tile's part, ends."""
    while True:
        marker, length = struct.unpack_from(">HH", content, at)
        if marker in (PART, DATA, END):
            return at
        if marker < 0xFF00 or length < 2:
            raise ValueError(DAMAGED)
        if marker == STYLE and struct.unpack_from(">H", content, at + 6)[0] > MAX_LAYERS:
            raise ValueError(f"JPEG 2000 of more than {MAX_LAYERS} layers")
        if marker in (STYLE, STYLE_OF_ONE):  # flags come first, or after the component's number
            flags, sizes = (at + 4, at + 9) if marker == STYLE else (at + 5, at + 6)
            _check_precincts(content[flags] & 1, content[sizes : at + 2 + length], tiles, pixels)
        at += 2 + length


def _check_precincts(own: int, body: bytes, tiles: int, pixels: int) -> None:
    """Check how many precincts a coding style leads to.

    The body begins with the number of halvings. At 5 are, where it has its `own`, the precincts' sizes at each of them,
    as two powers of two in a byte, those of the smallest image first.
    """
    sizes = body[5:] if own else b"\xff" * (body[0] + 1)
    count = sum(tiles + (pixels >> 2 * halved >> (size & 15) + (size >> 4)) for halved, size in enumerate(sizes[::-1]))
    if count > MAX_PRECINCTS:
        raise ValueError(f"JPEG 2000 of more than {MAX_PRECINCTS} precincts")
