"""Elements that synthetic lesions are drawn with: noise, honeycombs, dots, vessels.

Lengths are in units of half the photograph's height, so that a pattern looks the same at any size.
Maps are float32 arrays (side, side).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Map = npt.NDArray[np.float32]


@dataclass
class Canvas:
    """A square piece of skin around the point (0, 0): `side` pixels wide, `unit` pixels per unit length.

    `x` and `y` are each pixel's coordinates; the bent ones waver, so that what is drawn with them
    looks grown and not drawn with compasses.
    """

    rng: np.random.Generator
    side: int
    unit: float
    x: Map = field(init=False)
    y: Map = field(init=False)
    bent_x: Map = field(init=False)
    bent_y: Map = field(init=False)

    def __post_init__(self) -> None:
        line = (np.arange(self.side, dtype=np.float32) - (self.side - 1) / 2) / np.float32(self.unit)
        self.x, self.y = np.meshgrid(line, line)
        self.bent_x, self.bent_y = (of + np.float32(0.014) * rough(self, 0.09, 2) for of in (self.x, self.y))

    @property
    def extent(self) -> float:
        """The canvas' width in units."""
        return self.side / self.unit

    def empty(self) -> Map:
        """Return a map of zeros."""
        return np.zeros((self.side, self.side), np.float32)


def step(values: Map, low: float, high: float) -> Map:
    """Return 0 below `low`, 1 above `high` and a smooth cubic between; `low` > `high` falls instead."""
    t = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def clouds(canvas: Canvas, scale: float, stretch: float = 1.0) -> Map:
    """Return smooth noise of about zero mean and unit deviation whose grain is `scale` units.

    `stretch` > 1 draws the grain out along x.
    """
    across = max(3, min(canvas.side, round(canvas.extent / (scale * stretch)))) + 3
    down = max(3, min(canvas.side, round(canvas.extent / scale))) + 3
    grid = canvas.rng.standard_normal((down, across)).astype(np.float32)
    box = (1.5, 1.5, across - 1.5, down - 1.5)
    noise = Image.fromarray(grid).resize((canvas.side, canvas.side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(noise, np.float32) * np.float32(1.4)


def rough(canvas: Canvas, scale: float, octaves: int = 3) -> Map:
    """Return noise of several grains, each half as large and .6 times as strong as the one before."""
    layers = [clouds(canvas, scale / 2**i) * np.float32(0.6**i) for i in range(octaves)]
    return np.asarray(sum(layers) / math.sqrt(sum(0.36**i for i in range(octaves))), np.float32)


def honeycomb(canvas: Canvas, period: float, disorder: float) -> Map:
    """Return a pigment network: 1 on the lines, 0 in the holes, one hole per `period`.

    Three plane waves at 60 degrees make a hexagonal lattice; `disorder` in periods bends it.
    """
    turn = canvas.rng.uniform(0, math.pi)
    x = canvas.x + clouds(canvas, period * 3) * np.float32(disorder * period)
    y = canvas.y + clouds(canvas, period * 3) * np.float32(disorder * period)
    k = 4 * math.pi / (math.sqrt(3) * period)
    waves = [
        np.cos(np.float32(k) * (x * np.float32(math.cos(a)) + y * np.float32(math.sin(a))))
        for a in (turn, turn + math.pi / 3, turn - math.pi / 3)
    ]
    return 1 - step(np.asarray(sum(waves), np.float32), -1.2, 1.2)


def dots(canvas: Canvas, centres: npt.NDArray[np.float64], radii: npt.NDArray[np.float64], soft: float = 0.5) -> Map:
    """Return round spots: 1 in the middle, falling to 0 over the outer share `soft` of each radius.

    Parameters
    ----------
    centres : (n, 2) x and y in units.
    radii : (n,) in units.
    """
    spots = canvas.empty()
    middle = (canvas.side - 1) / 2
    for (x, y), radius in zip(centres, radii, strict=True):
        reach = max(float(radius), 0.7 / canvas.unit)
        left, right = (int(middle + (x + sign * (reach + 0.04)) * canvas.unit) for sign in (-1, 1))
        top, bottom = (int(middle + (y + sign * (reach + 0.04)) * canvas.unit) for sign in (-1, 1))
        rows, columns = slice(max(top, 0), max(bottom + 2, 0)), slice(max(left, 0), max(right + 2, 0))
        distance = np.hypot(canvas.bent_x[rows, columns] - x, canvas.bent_y[rows, columns] - y).astype(np.float32)
        window = spots[rows, columns]
        np.maximum(window, step(distance, reach, reach * (1 - soft)), out=window)
    return spots


def scatter(canvas: Canvas, count: int, radius: float, middle: tuple[float, float] = (0, 0)) -> npt.NDArray[np.float64]:
    """Return (count, 2) points spread evenly over a disc."""
    angle = canvas.rng.uniform(0, 2 * math.pi, count)
    distance = radius * np.sqrt(canvas.rng.uniform(0, 1, count))
    return np.stack([middle[0] + distance * np.cos(angle), middle[1] + distance * np.sin(angle)], axis=1)


def vessels(canvas: Canvas, starts: npt.NDArray[np.float64], length: float, width: float, branching: float) -> Map:
    """Return winding vessels, 0..1, that thin out and fork as they go.

    `length` and `width` are in units; `branching` is the chance of a fork at each step.
    """
    zoom = 2
    picture = Image.new("L", (canvas.side * zoom, canvas.side * zoom))
    draw = ImageDraw.Draw(picture)
    rng, scale, middle = canvas.rng, canvas.unit * zoom, canvas.side * zoom / 2
    pending = [(x, y, rng.uniform(0, 2 * math.pi), length, width) for x, y in starts]
    stride = 0.06
    while pending:
        x, y, angle, left, thick = pending.pop()
        while left > 0:
            angle += rng.normal(0, 0.45)
            x2, y2 = x + stride * math.cos(angle), y + stride * math.sin(angle)
            line = (middle + x * scale, middle + y * scale, middle + x2 * scale, middle + y2 * scale)
            draw.line(line, fill=255, width=max(1, round(thick * scale)))
            x, y, left = x2, y2, left - stride
            if rng.random() < branching and len(pending) < 40:
                pending.append((x, y, angle + rng.choice([-0.8, 0.8]), left * 0.6, thick * 0.6))
                thick *= 0.85
    small = picture.resize((canvas.side, canvas.side), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / np.float32(255)
