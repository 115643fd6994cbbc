"""What containers say, and what is left of them once their metadata is stripped."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image

from lesionlab.data.containers import Container, exif_orientation, strip


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "brown").save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[274], block[271] = orientation, "Camera of Jane Doe"
    return block


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_metadata_is_left_out_and_pixels_stay(kind: str) -> None:
    told = strip(encoded(kind, exif=exif(6), icc_profile=b"profile of Jane Doe" * 9))
    assert (told.format, told.orientation) == (kind, 6)
    stripped = Image.open(io.BytesIO(told.content))
    assert stripped.size == (40, 30)
    assert "icc_profile" not in stripped.info
    assert 271 not in stripped.getexif()
    assert 274 not in stripped.getexif()


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exif": exif(3)}])
def test_webp_canvas_is_known_before_it_is_opened(options: dict[str, Any]) -> None:
    told = strip(encoded("WEBP", **options))
    assert told.canvas == 40 * 30
    assert told.orientation == (3 if "exif" in options else 1)


def test_bmp_passes_as_it_is() -> None:
    content = encoded("BMP")
    assert strip(content) == Container("BMP", content)


def block(order: str, entries: list[tuple[int, int, int, int]]) -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(order + "HHIHxx", *entry) for entry in entries)
    return mark + struct.pack(order + "IH", 8, len(entries)) + body + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_in_both_byte_orders(order: str) -> None:
    assert exif_orientation(block(order, [(271, 2, 1, 0), (274, 3, 1, 8)])) == 8


@pytest.mark.parametrize(
    "damaged",
    [b"", b"II*\0", block("<", [(274, 3, 1, 9)]), block("<", [(274, 2, 1, 6)]), block("<", [(274, 3, 1, 6)])[:-6]],
)
def test_damaged_exif_counts_as_none(damaged: bytes) -> None:
    assert exif_orientation(damaged) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"text", "neither"),
        (b"\xff\xd8\xff\xe0\0", "truncated"),
        (b"\xff\xd8\xff\xe0\0\x04ab garbage", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"II*\0\xff\xff\xff\xff", "truncated"),
        (block("<", [])[:-4] + b"\x08\0\0\0", "several pages"),
    ],
)
def test_reasons(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        strip(content)
