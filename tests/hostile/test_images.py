"""Damaged and hostile images through the image door: refused in one line, quickly, within bounded memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.images import load_image
from lesionlab.errors import ImageError

SECONDS = 2.0
"""Longest that one file may take (trial H1), of processor time: a busy machine must not fail the test."""


def photograph(width: int = 96, height: int = 72) -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = rng.integers(60, 220, (9, 12, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + rng.integers(-12, 13, smooth.shape)).clip(0, 255).astype(np.uint8))


def encoded(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or photograph()).save(buffer, kind, **options)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    """Small good files of every accepted format, with EXIF where it fits."""
    exif = Image.Exif()
    exif[274], exif[271] = 6, "maker"
    pages = {"save_all": True, "append_images": [photograph()]}
    return [
        encoded("JPEG", exif=exif),
        encoded("JPEG", progressive=True),
        encoded("MPO", **pages),
        encoded("PNG", exif=exif),
        encoded("PNG", photograph().convert("P"), transparency=3),
        encoded("PNG", photograph().convert("L").convert("1")),
        encoded("WEBP", exif=exif),
        encoded("WEBP", lossless=True),
        encoded("TIFF", exif=exif),
        encoded("TIFF", compression="tiff_lzw"),
        encoded("TIFF", compression="jpeg"),
        encoded("TIFF", photograph().convert("CMYK"), compression="tiff_adobe_deflate"),
        encoded("BMP"),
    ]


def mutant(seed: int, files: list[bytes]) -> bytes:
    """Return one of `files` with bytes overwritten, cut out, doubled, or the end cut off; the same for one seed."""
    rng = np.random.default_rng(seed)
    content = bytearray(files[int(rng.integers(len(files)))])
    for _ in range(int(rng.integers(1, 12))):
        # headers are short and decide everything: half of the faults go there
        at = int(rng.integers(min(len(content), 200) if rng.random() < 0.5 else len(content)))
        kind = int(rng.integers(5))
        if kind == 0:
            content[at] = int(rng.integers(256))
        elif kind == 1:
            content[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x01"])
        elif kind == 2:
            del content[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            content[at:at] = content[at : at + int(rng.integers(1, 40))]
        elif rng.random() < 0.2:
            del content[at:]
        if not content:
            break
    return bytes(content)


def accepted(content: bytes) -> bool:
    """Return whether the door lets the file in; fails where it does neither that nor refuse properly."""
    started = time.process_time()
    try:
        image = load_image(content, "mutant.jpg")
    except ImageError as error:
        assert error.message.startswith("mutant.jpg: ")
        assert len(error.message) > len("mutant.jpg: ")
        assert str(error).isprintable()
        return False
    finally:
        assert time.process_time() - started < SECONDS
    assert image.mode == "RGB"
    assert min(image.size) >= 16
    assert image.info == {}
    return True


@pytest.mark.parametrize("count", [pytest.param(400), pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutants_are_read_or_refused(count: int) -> None:
    files = seeds()
    assert all(accepted(content) for content in files)
    kept = sum(accepted(mutant(seed, files)) for seed in range(count))
    assert 0 < kept < count


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "progressive"])
@pytest.mark.parametrize("percent", range(0, 100, 5))
def test_truncated_files_are_refused(kind: str, percent: int) -> None:
    content = encoded("JPEG", progressive=True) if kind == "progressive" else encoded(kind)
    assert not accepted(content[: len(content) * percent // 100])


def test_trailing_content_is_not_carried_along() -> None:
    for content in (encoded("JPEG"), encoded("PNG"), encoded("BMP")):
        assert accepted(content + b"PK\x03\x04 <script>alert(1)</script>")


def test_another_format_under_an_image_signature_is_refused() -> None:
    for content in (b"GIF89a" + encoded("JPEG"), b"%PDF-1.7\n" + encoded("PNG"), b"<svg></svg>", b"BM" + bytes(60)):
        assert not accepted(content)


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
    zeros = zlib.compress(bytes(30_000 * 30_000), 9)
    tiles = [(322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, len(zeros))]
    yield "tiff tile", tiff([*size, (259, 3, 1, 8), *tiles], zeros), False
    yield "gif", encoded("GIF"), False
    yield "jpeg 2000", encoded("JPEG2000"), False
    yield "fits", b"SIMPLE  =                    T".ljust(80) + b"NAXIS1  =           1000000000".ljust(2800), False


def test_bombs_are_defused_in_little_memory_and_time(tmp_path: Path) -> None:
    readable = {}
    for number, (name, content, expected) in enumerate(bombs()):
        (tmp_path / f"{number:02d}.bin").write_bytes(content)
        readable[f"{number:02d}.bin"] = (name, expected)
    # A process of its own: its peak is the door's alone.
    program = """
import resource, sys, time
from pathlib import Path
from lesionlab.data.images import load_image
from lesionlab.errors import ImageError
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
base = peak()
for path in sorted(Path(sys.argv[1]).glob("*.bin")):
    started = time.process_time()
    try:
        load_image(path)
        end = "read"
    except ImageError as error:
        end = "refused"
    print(path.name, end, peak() - base, time.process_time() - started)
"""
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    rows = [line.split() for line in run.stdout.splitlines()]
    assert len(rows) == len(readable)
    for file, end, grown, seconds in rows:
        name, expected = readable[file]
        assert end == ("read" if expected else "refused"), name
        assert int(grown) < 64, f"{name}: {grown} MiB"
        assert float(seconds) < SECONDS, f"{name}: {seconds} s"


@pytest.mark.slow
def test_ten_thousand_mutants_leave_no_memory_behind() -> None:
    files = seeds()
    for seed in range(1000):
        accepted(mutant(seed, files))
    before = resident()
    for seed in range(1000, 10_000):
        accepted(mutant(seed, files))
    assert resident() - before < 64


def resident() -> int:
    """Return this process' resident memory in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
