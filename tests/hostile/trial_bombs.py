"""Small files that claim much: memory, pixels, chunks, nesting."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from dicom_files import dicom, jpeg_2000, run_lengths
from pydicom import uid
from trial_files import encoded


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *extra: bytes, colour: int = 2) -> bytes:
    """Return a PNG of zeros whose pixels compress a thousand to one, with chunks before them."""
    body = zlib.compressobj(9)
    row = bytes(1 + width * (3 if colour == 2 else 1))
    pixels = b"".join(body.compress(row) for _ in range(height)) + body.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(entries: list[tuple[int, int, int, int]], body: bytes = b"") -> bytes:
    """Return a TIFF whose body starts at offset 8 and whose directory follows it."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(entries)) + packed + bytes(4)


def exif_of_many_tags(count: int, claimed: int) -> bytes:
    """Return an EXIF block each of whose tags claims the same bytes: small in the file, huge once read."""
    return tiff([(1000 + n, 7, claimed, 8) for n in range(count)], bytes(claimed))


def jpeg_with(*segments: bytes) -> bytes:
    content = encoded("JPEG")
    return content[:2] + b"".join(segments) + content[2:]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def webp(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def scans_without_end() -> bytes:
    """Return a progressive JPEG whose last scan is repeated 2,000 times."""
    content = encoded("JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * 2000 + content[-2:]


def bombs() -> Iterator[tuple[str, bytes, bool]]:
    """Yield name, content and whether the file is readable all the same once the bomb is left out."""
    text = b"Comment\0\0" + zlib.compress(bytes(30 << 20), 9)
    yield "png 9000 x 9000", png(9000, 9000), False
    yield (
        "png 60000 x 60000",
        png(60000, 10).replace(struct.pack(">II", 60000, 10), struct.pack(">II", 60000, 60000)),
        False,
    )
    yield "png text", png(64, 64, *[chunk(b"zTXt", text)] * 40), True
    yield "png profile", png(64, 64, chunk(b"iCCP", b"icc\0\0" + text[9:])), True
    yield "png chunks", png(64, 64, chunk(b"tEXt", b"a\0b") * 200_000), False
    yield "png exif", png(64, 64, chunk(b"eXIf", exif_of_many_tags(500, 1 << 20))), True
    yield "jpeg exif", jpeg_with(segment(0xE1, b"Exif\0\0" + exif_of_many_tags(5000, 4000))), True
    yield "jpeg segments", jpeg_with(segment(0xFE, b"") * 1_000_000), False
    yield "jpeg scans", scans_without_end(), False
    yield (
        "jpeg 65500 x 65500",
        encoded("JPEG").replace(struct.pack(">HH", 72, 96), struct.pack(">HH", 65500, 65500)),
        False,
    )
    canvas = struct.pack("<4sIB3x", b"VP8X", 10, 0) + (16382).to_bytes(3, "little") * 2
    yield "webp canvas", webp(canvas + encoded("WEBP")[12:]), False
    animated = struct.pack("<4sIB3x", b"VP8X", 10, 2) + (99).to_bytes(3, "little") * 2
    yield "webp animation", webp(animated + b"ANMF" * 1000), False
    yield "webp chunks", webp(struct.pack("<4sI", b"XMP ", 0) * 1_000_000), False
    size = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
    wide = [(256, 4, 1, 50_000), (257, 4, 1, 50_000), *size[2:]]
    strip = [(273, 4, 1, 8), (279, 4, 1, 4096)]
    yield "tiff 50000 x 50000", tiff([*wide, (259, 3, 1, 1), *strip], bytes(4096)), False
    tags = [(40_000 + n, 7, 3 << 20, 8) for n in range(400)]
    yield "tiff tags", tiff([*size, (259, 3, 1, 1), *strip, *tags], bytes(3 << 20)), True
    yield "tiff many tags", tiff([*size, *[(40_000 + n, 7, 1, 8) for n in range(20_000)]]), False
    offsets = [(273, 4, 500_000_000, 8), (279, 4, 500_000_000, 8)]
    yield "tiff offsets", tiff([*size, (259, 3, 1, 1), *offsets], bytes(4096)), False
    zeros = zlib.compress(bytes(30_000 * 1000), 9)
    tiles = [(322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, len(zeros))]
    yield "tiff tile", tiff([*size, (259, 3, 1, 8), *tiles], zeros), False
    yield "gif", encoded("GIF"), False
    yield "jpeg 2000", encoded("JPEG2000"), False
    yield from dicom_bombs()
    yield "fits", b"SIMPLE  =                    T".ljust(80) + b"NAXIS1  =           1000000000".ljust(2800), False


def element(group: int, number: int, kind: bytes, length: int, body: bytes = b"") -> bytes:
    """Return an element with a 32-bit length in explicit little endian."""
    return struct.pack("<HH2sHI", group, number, kind, 0, length) + body


def dicom_bombs() -> Iterator[tuple[str, bytes, bool]]:
    """Yield the same of DICOM files."""
    plain = dicom(bytes(7200))
    at = plain.index(b"\x28\x00\x02\x00US")
    item, undefined = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF), 0xFFFFFFFF
    nested = element(0x0040, 0x0275, b"SQ", undefined) + item
    yield "dicom nesting", plain[:at] + nested * 200_000 + plain[at:], False
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000
    yield "dicom items", plain[:at] + element(0x0040, 0x0275, b"SQ", undefined, items) + plain[at:], False
    known = element(0x0040, 0x0275, b"SQ", len(items), items)
    yield "dicom items of known length", plain[:at] + known + plain[at:], True
    yield "dicom length", plain[:at] + element(0x0009, 0x1001, b"UN", 0xFFFFFFF0) + plain[at:], False
    large = dicom(b"", Rows=65535, Columns=65535)
    yield "dicom 65535 x 65535", large, False
    deflated = dicom(bytes(7200), uid.DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + struct.unpack_from("<I", deflated, 140)[0]
    stream = zlib.compressobj(1, wbits=-15)
    body = b"".join(stream.compress(bytes(1 << 20)) for _ in range(200)) + stream.flush()
    yield "dicom deflated", deflated[:start] + body, False
    runs = struct.pack("<16I", 3, *(64 + n * 6_000_000 for n in range(3)), *[0] * 12) + b"\x81\0" * 9_000_000
    yield "dicom runs", dicom(runs, uid.RLELossless), False
    frame = run_lengths(np.zeros((40, 60, 3), np.uint8))
    pieces = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 500_000
    framed = dicom(frame, uid.RLELossless)
    yield "dicom pieces", framed[:-8] + pieces + framed[-8:], False
    yield from jpeg_2000_bombs()


def jpeg_2000_bombs() -> Iterator[tuple[str, bytes, bool]]:
    """Yield JPEG 2000 codestreams in DICOM files."""
    size, syntax = (3000, 3000), uid.JPEG2000Lossless
    good = jpeg_2000(np.zeros((40, 60, 3), np.uint8)) + bytes(50_000)
    yield "jpeg 2000 empty", dicom(good[:8] + struct.pack(">2I", *size) + good[16:-50_000], syntax, size), False
    large = good[:8] + struct.pack(">2I", *size) + good[16:24] + struct.pack(">2I", *size) + good[32:]
    tiles = large[:24] + struct.pack(">2I", 1, 1) + large[32:]
    yield "jpeg 2000 tiles", dicom(tiles, syntax, size), False
    style = large.index(b"\xff\x52")
    layers = large[: style + 6] + b"\xff\xff" + large[style + 8 :]
    precincts = bytes([large[style + 4] | 1]) + b"\0\xff\xff" + large[style + 8 : style + 14] + bytes(6)
    marker = b"\xff\x52" + struct.pack(">H", len(precincts) + 2) + precincts
    end = style + 2 + struct.unpack_from(">H", large, style + 2)[0]
    yield "jpeg 2000 precincts", dicom(large[:style] + marker + large[end:], syntax, size), False
    yield "jpeg 2000 layers", dicom(layers, syntax, size), False
