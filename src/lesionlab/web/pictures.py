"""Pictures inside answers: small JPEG photographs and transparent heat maps, as data: URLs without metadata."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionlab.data.images import frame
from lesionlab.report.heatmaps import coloured, shrink, stretched

THUMBNAIL = 480
"""Longest side, in pixels, of the photograph that comes with an answer."""

QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A picture as a data: URL, and its width and height in pixels."""

    url: str
    size: tuple[int, int]


def thumbnail(photograph: Image.Image) -> Picture:
    """Return an upright RGB photograph, its longest side at most `THUMBNAIL`."""
    small = photograph.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return _jpeg(small)


def framed(photograph: Image.Image, aspect: float) -> Picture:
    """Return the part of a photograph that a model of this frame aspect looks at, longest side at most 600 pixels."""
    return _jpeg(Image.fromarray(shrink(frame(photograph, aspect))))


def heat_map(heat: npt.NDArray[np.float32], size: tuple[int, int]) -> str:
    """Return a map, float32 (rows, columns) in 0..1, as a PNG of `size` (width, height): a data: URL.

    Colours are viridis by the map's value, and so is how much they cover: 0 is transparent.
    """
    picture = Image.fromarray((stretched(heat, size) * 255).round().astype(np.uint8)).convert("L")
    picture.putpalette(_PALETTE)
    return _url(picture, "PNG", transparency=bytes(range(256)), compress_level=6)


def _jpeg(photograph: Image.Image) -> Picture:
    return Picture(_url(photograph, "JPEG", quality=QUALITY), photograph.size)


def _url(picture: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


_PALETTE = coloured(np.linspace(0, 1, 256)).round().astype(np.uint8).tobytes()
"""256 colours, as RGB bytes."""
