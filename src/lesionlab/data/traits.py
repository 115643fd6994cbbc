"""Traits of photographs that are not the lesion's: hair, dark corners, ink, ruler marks. Measured on pixels.

They tell in which photographs a model does worse; no model sees them. Each detector is a few steps of classical image
processing on the photograph squashed to `SIDE` pixels, gives one number, and marks the photograph where that reaches
a threshold. They are simple and make mistakes:

* Hair: dark hair only. A coarse pigment network can pass for it; a single fine hair is missed.
* Dark corners: at least two. A lesion that fills two corners passes for them.
* Ink: outside the middle of the frame only, because blue nevi and blue-white veils have the colours of ink.
* Ruler: at least three marks in a regular row near the frame's edge. Of a scale that shows fewer, nothing is seen.

Tried by eye on 200 validation photographs of HAM10000: hair is marked in 27, wrongly in 3, and missed in about 13 that
show little or fine hair; dark corners in 23, wrongly in 1; a ruler in 8, all rightly, and missed in about 15, nearly
all of which show one or two marks. None of the 200 shows ink, and none is marked.

Morphology follows Serra (1982, Image Analysis and Mathematical Morphology); taking hair for what a closing fills is the
idea of DullRazor (Lee et al. 1997, doi 10.1016/S0010-4825(97)00020-6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from lesionlab.data.cases import Case
from lesionlab.data.images import load_image, squash
from lesionlab.data.tickmarks import scale

Bools = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]

SIDE = 224
"""Side in pixels at which photographs are measured; the lengths below are in such pixels."""

HAIR_WIDTH, HAIR_LENGTH, HAIR_CONTRAST = 7, 21, 20
"""A hair is narrower than the first, straight for the second, and darker than its surroundings by so many of 255."""

DIRECTIONS = 16
"""In how many directions hair is looked for."""

RIGHT, DOWN = (0, 1), (1, 0)
CORNER = SIDE // 8
"""Legs of the triangle that is taken for a corner."""

INK_HUES, INK_SATURATION, INK_VALUE = (57, 202), 0.35, 0.25
"""Green to violet (80 to 285 degrees, as Pillow's 0 to 255), least saturation, least value: black is no ink here."""

MIDDLE = 0.3
"""Radius of the middle of the frame, as a share of its side, in which no ink is looked for."""

TICK_WIDTH, TICK_CONTRAST = 11, 40
"""A mark of a ruler is narrower than the first, and darker than its surroundings by so many of 255."""


def hair(pixels: Pixels) -> float:
    """Return the share of the frame covered by thin dark lines that are no ink.

    Black top-hat of the red channel, in which vessels and most pigment are faint, opened by lines in all directions.
    """
    lines = _opened(black_top_hat(pixels[..., 0], HAIR_WIDTH), HAIR_LENGTH) >= HAIR_CONTRAST
    pen = np.asarray(Image.fromarray(np.uint8(_coloured(pixels))).filter(ImageFilter.MaxFilter(HAIR_WIDTH)))
    return float((lines & (pen == 0)).mean())


def dark_corners(pixels: Pixels) -> float:
    """Return how much darker than the skin the second darkest corner is, 0 (as bright) to 1 (black).

    The skin's luminance is the third quartile of the frame's, a corner's the median of its triangle.
    """
    light = np.asarray(Image.fromarray(pixels).convert("L"))
    triangle = np.add.outer(np.arange(CORNER), np.arange(CORNER)) < CORNER
    turned = (light, light[::-1], light[:, ::-1], light[::-1, ::-1])
    corners = sorted(float(np.median(one[:CORNER, :CORNER][triangle])) for one in turned)
    return max(0.0, 1 - corners[1] / max(1.0, float(np.percentile(light, 75))))


def ink(pixels: Pixels) -> float:
    """Return the share of the frame that is strongly green, blue or violet, outside its middle."""
    away = np.arange(SIDE) - (SIDE - 1) / 2
    outside = np.hypot(*np.meshgrid(away, away)) > MIDDLE * SIDE
    return float((outside & _coloured(pixels)).mean())


def _coloured(pixels: Pixels) -> Bools:
    """Return which pixels (height, width) have a colour of ink."""
    hue, saturation, value = (np.asarray(band) for band in Image.fromarray(pixels).convert("HSV").split())
    strong = (saturation >= 255 * INK_SATURATION) & (value >= 255 * INK_VALUE)
    found: Bools = strong & (hue >= INK_HUES[0]) & (hue <= INK_HUES[1])
    return found


def ruler(pixels: Pixels) -> float:
    """Return the number of marks in a regular row of short dark marks near the frame's edge."""
    return float(scale(black_top_hat(pixels[..., 0], TICK_WIDTH) >= TICK_CONTRAST))


@dataclass(frozen=True)
class Trait:
    """A detector, what its number means, and from which number on a photograph is marked."""

    measure: Callable[[Pixels], float]
    words: str
    threshold: float


TRAITS: dict[str, Trait] = {
    "hair": Trait(hair, "share of the frame covered by dark hair", 0.0045),
    "dark corners": Trait(dark_corners, "how much darker than the skin the second darkest corner is", 0.4),
    "ink": Trait(ink, "share of the frame in colours of ink", 0.004),
    "ruler": Trait(ruler, "marks in a regular row near the edge", 3),
}
"""Trait -> its detector."""


def traits(pixels: Pixels) -> dict[str, float]:
    """Return trait -> number of a photograph, uint8 RGB (`SIDE`, `SIDE`, 3)."""
    return {name: trait.measure(pixels) for name, trait in TRAITS.items()}


def marked(measured: Mapping[str, float]) -> dict[str, bool]:
    """Return trait -> whether a photograph with these numbers has it."""
    return {name: measured[name] >= trait.threshold for name, trait in TRAITS.items()}


def measure(
    cases: Sequence[Case], aspect: float = 1.0, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, dict[str, float]]:
    """Return image_id -> trait -> number, of the frames of that width over height; see `images.frame`.

    Raises `ImageError` for a photograph that cannot be read. `progress` is called with what is done, how much of it,
    and how much there is.
    """

    def of(case: Case) -> dict[str, float]:
        return traits(squash(load_image(Path(case.path)), SIDE, aspect))

    found = {}
    with ThreadPoolExecutor() as pool:
        for case, values in zip(cases, pool.map(of, cases), strict=True):
            found[case.image_id] = values
            if progress:
                progress("measuring traits", len(found), len(cases))
    return found


def black_top_hat(channel: Pixels, width: int) -> Pixels:
    """Return how much a closing by a square of that `width` brightens each pixel of one channel (height, width).

    Beyond the frame its outermost pixels go on.
    """
    closed = np.pad(channel, width, mode="edge")
    for step in (RIGHT, DOWN):
        closed = _along(closed, np.maximum, step, width)
    for step in (RIGHT, DOWN):
        closed = _along(closed, np.minimum, (-step[0], -step[1]), width)
    return closed[width:-width, width:-width] - channel


def _opened(values: Pixels, length: int) -> Pixels:
    """Return the largest of the openings by a line of `length` pixels, over all `DIRECTIONS`."""
    best = np.zeros_like(values)
    for number in range(DIRECTIONS):
        angle = math.pi * number / DIRECTIONS
        step = (math.sin(angle), math.cos(angle))
        eroded = _along(values, np.minimum, step, length)
        np.maximum(best, _along(eroded, np.maximum, (-step[0], -step[1]), length), out=best)
    return best


def _along(values: Pixels, take: Callable[..., Any], step: tuple[float, float], length: int) -> Pixels:
    """Return the minimum or maximum over `length` pixels that begin at each pixel and go by `step` (down, right).

    Ranges are doubled: eight pixels need three steps. Outside the frame there is 0.
    """
    reach = 1
    while reach < length:
        more = min(reach, length - reach)
        values = take(values, _shifted(values, round(more * step[0]), round(more * step[1])))
        reach += more
    return values


def _shifted(values: Pixels, down: int, right: int) -> Pixels:
    """Return an image (height, width) whose pixel (y, x) is that at (y + down, x + right), 0 outside."""
    height, width = values.shape
    moved = np.zeros_like(values)
    rows = slice(max(0, -down), min(height, height - down))
    columns = slice(max(0, -right), min(width, width - right))
    source = values[rows.start + down : rows.stop + down, columns.start + right : columns.stop + right]
    moved[rows, columns] = source
    return moved
