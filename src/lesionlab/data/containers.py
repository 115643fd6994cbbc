"""What an image file says before it is decoded: format, orientation, frames; and its pixels without the rest.

Decoders read text, colour profiles and EXIF eagerly, and a few kilobytes of these can claim gigabytes.
So the container is walked here first, within fixed bounds, and only what the pixels need is handed on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_SEGMENTS = 20_000
"""Most JPEG segments, PNG chunks or WebP chunks walked; a 64 MiB PNG in 8 KiB chunks has 8,192."""

MAX_SCANS = 100
"""Most scans of a progressive JPEG; usual files have about 10, and each one costs a pass over all pixels."""

MAX_TAGS = 512
"""Most entries of a TIFF or EXIF directory."""

ORIENTATION = 274
TILE_WIDTH, TILE_LENGTH = 322, 323
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

TIFF_PIXEL_TAGS = frozenset(
    (254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320, 322, 323, 324, 325)
) | frozenset((338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532))
"""TIFF tags that say where and how the pixels lie (TIFF 6.0); every other tag is metadata."""

PNG_PIXEL_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


@dataclass(frozen=True)
class Container:
    """An image file stripped to its pixels.

    `format` is Pillow's name; `content` the stripped file; `orientation` EXIF's 1 to 8; `canvas` is the
    largest area in pixels that opening the file may allocate before its size is known, 0 where none is.
    """

    format: str
    content: bytes
    orientation: int = 1
    canvas: int = 0


def strip(content: bytes) -> Container:
    """Return the file's format, orientation and pixels, its metadata left out.

    Raises `ValueError` with a reason for any other format, for animations and multi-page files, and for
    a container that is cut short or claims more than the file holds.
    """
    if not content:
        raise ValueError("the file is empty")
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(content)
    if content.startswith((b"II*\0", b"MM\0*")):
        return _tiff(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp(content)
    if content.startswith(b"BM"):
        return Container("BMP", content)
    raise ValueError("neither JPEG, PNG, WebP, TIFF, BMP nor DICOM")


def _jpeg(content: bytes) -> Container:
    """Drop comments and application segments but JFIF and Adobe's, which say how colours are coded.

    Without its index segment a multi-picture file (MPO) is its first JPEG.
    """
    kept, orientation, position = [content[:2]], 1, 2
    for _ in range(MAX_SEGMENTS):
        if position + 4 > len(content):
            raise ValueError("truncated JPEG")
        if content[position] != 0xFF:
            raise ValueError("damaged JPEG")
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker == 0xDA:
            scans = content[position:]
            if scans.count(b"\xff\xda") > MAX_SCANS:
                raise ValueError(f"a JPEG of more than {MAX_SCANS} scans")
            return Container("JPEG", b"".join((*kept, scans)), orientation)
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        segment = content[position:end]
        if segment[4:10] == b"Exif\0\0" and marker == 0xE1:
            orientation = exif_orientation(segment[10:])
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or segment[4:9] in (b"JFIF\0", b"Adobe"):
            kept.append(segment)
        position = end
    raise ValueError(f"a JPEG of more than {MAX_SEGMENTS} segments")


def _png(content: bytes) -> Container:
    """Keep the chunks the pixels need; text and colour profiles, which may be compressed bombs, go."""
    kept, orientation, position = [content[:8]], 1, 8
    for _ in range(MAX_SEGMENTS):
        length, kind = int.from_bytes(content[position : position + 4], "big"), content[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(content):
            raise ValueError("truncated PNG")
        if kind in PNG_PIXEL_CHUNKS:
            kept.append(content[position:end])
        elif kind == b"acTL" and int.from_bytes(content[position + 8 : position + 12], "big") > 1:
            raise ValueError("an animation; save the one frame to read as an image")
        elif kind == b"eXIf":
            orientation = exif_orientation(content[position + 8 : end - 4])
        elif kind[:1].isupper():
            raise ValueError(f"damaged PNG (unknown chunk {kind!r})")
        if kind == b"IEND":
            return Container("PNG", b"".join(kept), orientation)
        position = end
    raise ValueError(f"a PNG of more than {MAX_SEGMENTS} chunks")


def _webp(content: bytes) -> Container:
    """Read canvas, animation flag and orientation; the decoder allocates the canvas when it opens the file."""
    canvas, orientation, position = 0, 1, 12
    for _ in range(MAX_SEGMENTS):
        kind, length = content[position : position + 4], int.from_bytes(content[position + 4 : position + 8], "little")
        body = content[position + 8 : position + 8 + min(length, 1 << 16)]
        if len(kind) < 4:
            return Container("WEBP", content, orientation, canvas)
        if kind == b"VP8X" and len(body) >= 10:
            if body[0] & 2:
                raise ValueError("an animation; save the one frame to read as an image")
            width, height = int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
            canvas = max(canvas, width * height)
        elif kind == b"VP8L" and len(body) >= 5:
            bits = int.from_bytes(body[1:5], "little")
            canvas = max(canvas, ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1))
        elif kind == b"VP8 " and len(body) >= 10:
            width, height = struct.unpack("<HH", body[6:10])
            canvas = max(canvas, (width & 0x3FFF) * (height & 0x3FFF))
        elif kind == b"EXIF":
            orientation = exif_orientation(body.removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    raise ValueError(f"a WebP of more than {MAX_SEGMENTS} chunks")


def _tiff(content: bytes) -> Container:
    """Rewrite the directory with the pixels' tags alone: the others may each claim the whole file as their value."""
    order, start, entries, following = _directory(content)
    if following:
        raise ValueError("a file of several pages; save the one page to read as an image")
    kept = [entry for entry in entries if struct.unpack_from(order + "H", entry)[0] in TIFF_PIXEL_TAGS]
    claimed = sum(_claimed(order, entry) for entry in kept)
    if claimed > len(content):
        raise ValueError("damaged TIFF (its tags claim more than the file holds)")
    stripped = bytearray(content)
    directory = struct.pack(order + "H", len(kept)) + b"".join(kept) + bytes(4)
    stripped[start : start + len(directory)] = directory
    width, length = _short_value(order, entries, TILE_WIDTH), _short_value(order, entries, TILE_LENGTH)
    return Container("TIFF", bytes(stripped), _orientation(order, entries), width * length)


def exif_orientation(block: bytes) -> int:
    """Return EXIF's orientation 1 to 8 from a TIFF-like block; 1 where there is none or the block is damaged."""
    try:
        order, _, entries, _ = _directory(block)
    except ValueError:
        return 1
    return _orientation(order, entries)


def _directory(block: bytes) -> tuple[str, int, list[bytes], int]:
    """Return byte order, offset, 12-byte entries of the first directory, and the offset of the next one (TIFF 6.0)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        raise ValueError("damaged TIFF header")
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start < 8 or start + 2 > len(block):
        raise ValueError("truncated TIFF")
    (count,) = struct.unpack_from(order + "H", block, start)
    end = start + 2 + 12 * count
    if count > MAX_TAGS:
        raise ValueError(f"a TIFF of more than {MAX_TAGS} tags")
    if end + 4 > len(block):
        raise ValueError("truncated TIFF")
    entries = [block[at : at + 12] for at in range(start + 2, end, 12)]
    return order, start, entries, struct.unpack_from(order + "I", block, end)[0]


def _claimed(order: str, entry: bytes) -> int:
    """Return how many bytes an entry's value takes."""
    _, kind, count = struct.unpack_from(order + "HHI", entry)
    return int(TYPE_SIZES.get(kind, 1) * count)


def _short_value(order: str, entries: list[bytes], tag: int) -> int:
    """Return the value of a tag of one 16-bit or 32-bit number, or 0 where it is missing."""
    for entry in entries:
        found, kind, count = struct.unpack_from(order + "HHI", entry)
        if found == tag and kind in (3, 4) and count == 1:
            return int(struct.unpack_from(order + ("H" if kind == 3 else "I"), entry, 8)[0])
    return 0


def _orientation(order: str, entries: list[bytes]) -> int:
    """Return the orientation among the entries, 1 where there is none or it is none of 1 to 8."""
    value = _short_value(order, entries, ORIENTATION)
    return value if 1 <= value <= 8 else 1
