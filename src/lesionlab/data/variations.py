"""Ten small changes of light, colour and focus, as between two photographs of one lesion on the same day."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance

from lesionlab.data.corruptions import Pixels, out_of_focus, to_map, to_pixels

STEP = 0.06
"""Relative change of brightness, contrast and saturation."""

TINT = 0.04
"""Relative change of red and, the other way, of blue."""

FOCUS = 0.004
"""Radius, as a share of the side, of the spot by which softening blurs and sharpening takes blur away."""


def _tinted(image: Image.Image, amount: float) -> Image.Image:
    red, green, blue = image.split()
    warmer = red.point(lambda value: value * (1 + amount)), green, blue.point(lambda value: value * (1 - amount))
    return Image.merge("RGB", warmer)


def _softer(image: Image.Image) -> Image.Image:
    return Image.fromarray(to_pixels(out_of_focus(to_map(np.asarray(image)), FOCUS * image.width)))


def _sharper(image: Image.Image) -> Image.Image:
    return Image.blend(_softer(image), image, 2)


VARIATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1 + STEP),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(1 - STEP),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1 + STEP),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(1 - STEP),
    "more colour": lambda image: ImageEnhance.Color(image).enhance(1 + STEP),
    "less colour": lambda image: ImageEnhance.Color(image).enhance(1 - STEP),
    "warmer": lambda image: _tinted(image, TINT),
    "cooler": lambda image: _tinted(image, -TINT),
    "softer": _softer,
    "sharper": _sharper,
}
"""Name -> what makes the change, of one RGB image."""


def vary(pixels: Pixels, name: str) -> Pixels:
    """Return uint8 RGB images (n, side, side, 3) with one of `VARIATIONS`; `ValueError` for another name."""
    if name not in VARIATIONS:
        raise ValueError(f"no variation {name!r}")
    return np.stack([np.asarray(VARIATIONS[name](Image.fromarray(image))) for image in pixels])
