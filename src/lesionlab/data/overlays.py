"""What lies on the skin or in a dermatoscope's view, drawn over photographs: hair, rulers, ink, bubbles, dark corners.

Images are float32 (side, side, 3) in 0..1. Lengths are shares of the side. What is drawn first stays while more is
added with the severity, 1 to 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Map = npt.NDArray[np.float32]
Point = tuple[float, float]

CANVAS = 640
"""Least side, in pixels, at which is drawn: a hair is then a few pixels wide."""

GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
"""Successive angles so far apart spread evenly, however many there are."""

HAIRS = (2, 6, 13, 24, 40)
HAIR_WIDTH = (0.003, 0.009)

TICK_STEP = 0.04
RULER_INSET = (0.02, 0.03, 0.05, 0.10, 0.20)
"""How far from the border a ruler's line lies."""
RULER_TICK = (0.025, 0.040, 0.055, 0.070, 0.090)
"""Length of a tick; each fifth is longer."""
RULER_COVER = (0.55, 0.70, 0.85, 0.95, 1.0)

INKS = ((0.28, 0.14, 0.62), (0.12, 0.22, 0.66), (0.10, 0.42, 0.36))
"""What skin markers let through: gentian violet, blue and green."""
INK_STROKES = (1, 2, 4, 6, 9)
INK_WIDTH = (0.012, 0.016, 0.020, 0.025, 0.030)
INK_RADIUS = (0.47, 0.45, 0.42, 0.39, 0.36)
"""How far from the middle the strokes lie: around most lesions, not on them."""
INK_COVER = (0.45, 0.55, 0.65, 0.75, 0.85)

BUBBLES = (2, 5, 9, 15, 24)
BUBBLE_RADIUS = (0.012, 0.040)
CORNERS = (0.68, 0.63, 0.58, 0.53, 0.48)
"""Radius of the round field of view; the image's own corners are .71 from its middle."""
CORNER_EDGE = 0.03
"""Width over which light fades at the edge of the field of view."""


def hair(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Lay dark, curved hairs over the image, mostly in one direction."""
    comb, shade = rng.uniform(0, 2 * math.pi), rng.uniform(0.06, 0.22)
    layer = _Layer(len(image))
    for _ in range(HAIRS[severity - 1]):
        x, y, length, width = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.3, 0.8), rng.uniform(*HAIR_WIDTH)
        angle, bend = rng.normal(comb, 0.5), rng.normal(0, 0.9)
        layer.line(_curve(x, y, angle, bend, length), width, 0.9)
    return _painted(image, layer.cover(), (shade, 0.8 * shade, 0.65 * shade))


def _curve(x: float, y: float, angle: float, bend: float, length: float, points: int = 16) -> list[Point]:
    """Return an arc with its middle at (x, y), that turns by `bend` radians along its length."""
    along = np.linspace(-0.5, 0.5, points)
    turned = angle + bend * along
    across, down = np.cumsum(np.cos(turned)), np.cumsum(np.sin(turned))
    middle, step = points // 2, length / points
    return [(x + step * (a - across[middle]), y + step * (d - down[middle])) for a, d in zip(across, down, strict=True)]


def ruler(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Lay a ruler's black ticks along one of the four borders, nearer to the lesion as severity grows."""
    inset, tick = RULER_INSET[severity - 1], RULER_TICK[severity - 1]
    begin, side = rng.uniform(0, TICK_STEP), int(rng.integers(4))
    layer = _Layer(len(image))
    layer.line([(0, inset), (1, inset)], 0.006, 1)
    for number in range(math.ceil((1 - begin) / TICK_STEP)):
        x = begin + number * TICK_STEP
        layer.line([(x, inset), (x, inset + tick * (1 if number % 5 else 1.7))], 0.006, 1)
    return _painted(image, np.rot90(layer.cover(), side) * np.float32(RULER_COVER[severity - 1]), (0.06, 0.06, 0.06))


def ink(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Draw a skin marker's strokes around the middle; ink lets through some of the light of its own colour."""
    colour, start = INKS[rng.integers(len(INKS))], rng.uniform(0, 2 * math.pi)
    layer = _Layer(len(image))
    for number in range(INK_STROKES[severity - 1]):
        middle, span = start + number * GOLDEN_ANGLE, rng.uniform(0.25, 0.65)
        radius = INK_RADIUS[severity - 1] * (1 + np.cumsum(rng.normal(0, 0.012, 12)))
        angle = np.linspace(middle - span / 2, middle + span / 2, 12)
        points = zip(0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle), strict=True)
        layer.line([(float(x), float(y)) for x, y in points], INK_WIDTH[severity - 1], 1)
    cover = layer.cover() * np.float32(INK_COVER[severity - 1])
    return np.asarray(image * (1 - cover * (1 - np.array(colour, np.float32))), np.float32)


def bubbles_and_corners(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Put air bubbles into the contact fluid, and darken what lies outside a round field of view."""
    rim, shine = _Layer(len(image)), _Layer(len(image))
    for _ in range(BUBBLES[severity - 1]):
        x, y, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(*BUBBLE_RADIUS)
        rim.ring(x, y, radius, 0.22 * radius, 0.5)
        shine.ring(x, y, 0.78 * radius, 0.16 * radius, 0.6)
        shine.ring(x - 0.3 * radius, y - 0.3 * radius, 0.25 * radius, 0.25 * radius, 0.9)
    image = _painted(_painted(image, rim.cover(), (0.15, 0.1, 0.1)), shine.cover(), (1, 1, 1))
    axis = (np.arange(len(image), dtype=np.float32) + 0.5) / len(image) - 0.5
    distance = np.hypot(axis[:, None], axis)[..., None]
    seen = np.clip((CORNERS[severity - 1] - distance) / CORNER_EDGE + 0.5, 0.04, 1)
    return np.asarray(image * seen, np.float32)


def _painted(image: Map, cover: Map, colour: Sequence[float]) -> Map:
    """Return the image with a colour laid over it where `cover` (side, side, 1), in 0..1, says."""
    return np.asarray(image + cover * (np.array(colour, np.float32) - image), np.float32)


class _Layer:
    """A sheet to draw on with coordinates in 0..1, finer than the image that it will cover."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._fine = side * max(2, math.ceil(CANVAS / side))
        self._sheet = Image.new("L", (self._fine, self._fine))
        self._draw = ImageDraw.Draw(self._sheet)

    def line(self, points: Iterable[Point], width: float, cover: float) -> None:
        """Draw a line through points (x, y)."""
        places = [(x * self._fine, y * self._fine) for x, y in points]
        self._draw.line(places, fill=round(255 * cover), width=max(1, round(width * self._fine)), joint="curve")

    def ring(self, x: float, y: float, radius: float, width: float, cover: float) -> None:
        """Draw a ring inside a circle around (x, y)."""
        box = [(place + reach) * self._fine for reach in (-radius, radius) for place in (x, y)]
        self._draw.ellipse(box, outline=round(255 * cover), width=max(1, round(width * self._fine)))

    def cover(self) -> Map:
        """Return how much of each pixel is covered, float32 (side, side, 1) in 0..1."""
        small = self._sheet.resize((self._side, self._side), Image.Resampling.BOX)
        return np.asarray(small, np.float32)[..., None] / np.float32(255)
