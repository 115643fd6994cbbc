"""What a JPEG 2000 codestream may claim."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.jpeg2000 import check_codestream

PIXELS = np.random.default_rng(2).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def codestream(**options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG2000", no_jp2=True, **options)
    return buffer.getvalue()


def refusal(content: bytes, columns: int = 64, rows: int = 48, samples: int = 3) -> str:
    with pytest.raises(ValueError) as caught:
        check_codestream(content, columns, rows, samples)
    return str(caught.value)


def sized(content: bytes, columns: int, rows: int) -> bytes:
    """Return a codestream that claims another size, in one tile."""
    size = struct.pack(">2I", columns, rows)
    return content[:8] + size + content[16:24] + size + content[32:]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"irreversible": True},
        {"tile_size": (32, 32)},
        {"quality_layers": [20, 10, 5], "precinct_size": (32, 32), "codeblock_size": (16, 16)},
    ],
)
def test_usual_codestreams_are_let_through(options: dict[str, object]) -> None:
    check_codestream(codestream(**options), 64, 48, 3)


def test_another_size_or_other_samples() -> None:
    assert "another size" in refusal(codestream(), columns=63)
    shifted = codestream()
    assert "another size" in refusal(shifted[:16] + struct.pack(">2I", 8, 8) + shifted[24:])
    assert "1 x 8 bits" in refusal(codestream(), samples=1)
    halved = codestream().replace(b"\x07\x01\x01\x07\x01\x01", b"\x07\x01\x01\x07\x02\x02", 1)
    assert "3 x 8 bits" in refusal(halved)
    assert "damaged" in refusal(codestream()[2:])
    assert "truncated" in refusal(codestream()[:60])


def test_tiles_and_memory() -> None:
    content = codestream() + bytes(100_000)
    tiny = content[:24] + struct.pack(">2I", 0, 0) + content[32:]
    assert "tiles" in refusal(tiny)
    assert "tiles" in refusal(sized(content, 3000, 3000)[:24] + struct.pack(">2I", 8, 8) + content[32:], 3000, 3000)
    assert "in one tile" in refusal(sized(content, 4200, 3100), 4200, 3100)
    assert "cannot be a photograph" in refusal(sized(codestream(), 4000, 3000), 4000, 3000)
    check_codestream(sized(content, 4000, 3000), 4000, 3000, 3)


def test_layers_and_precincts() -> None:
    content = codestream(precinct_size=(32, 32)) + bytes(100_000)
    style = content.index(b"\xff\x52")
    check_codestream(sized(content, 3000, 3000), 3000, 3000, 3)
    assert "layers" in refusal(content[: style + 6] + b"\x03\xe8" + content[style + 8 :])
    small = content[: style + 14] + b"\x11" * 6 + content[style + 20 :]
    check_codestream(small, 64, 48, 3)
    assert "precincts" in refusal(sized(small, 3000, 3000), 3000, 3000)


def test_a_tile_may_have_settings_of_its_own_within_the_same_bounds() -> None:
    content = codestream(precinct_size=(32, 32))
    style, part = content.index(b"\xff\x52"), content.index(b"\xff\x93")
    (length,) = struct.unpack_from(">H", content, style + 2)
    whole = content[style : style + 2 + length]
    of_one = b"\xff\x53" + struct.pack(">HBB", length - 3, 1, 1) + whole[9:]
    for segment in (whole, of_one):
        check_codestream(content[:part] + segment + content[part:], 64, 48, 3)
        planted = content[:part] + segment[:-6] + b"\x11" * 6 + content[part:] + bytes(100_000)
        assert "precincts" in refusal(sized(planted, 3000, 3000), 3000, 3000)
