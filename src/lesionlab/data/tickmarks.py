"""Marks of a ruler: short dark marks of a binary image, and the longest regular row of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LENGTHS, WIDEST, SLENDER = (0.022, 0.13), 0.03, 1.8
"""Shortest and longest mark and the widest one, as shares of the side; a mark is so many times longer than wide."""

SMALLEST = 6
"""Fewest pixels of a mark."""

EDGE = 0.2
"""Marks are looked for up to this far from the frame's edge, as a share of its side."""

STEPS = (0.018, 0.2)
"""Least and largest distance from mark to mark, as shares of the side."""

TURN, ACROSS = np.radians(20), np.radians(40)
"""Neighbouring marks differ by less than the first in direction; a row runs by more than the second across them."""

STRETCH, UNEVEN = 2.5, 0.45
"""Neighbouring marks are at most so many times longer than each other; each lies where the two before it lead one to
expect it, within this share of their distance."""

ROW_SHARE = 0.33
"""Least share of all marks that a scale makes up: among many short hairs some lie in a row by chance."""

MOST_MARKS, LONGEST_ROW = 48, 16
"""No more marks than these, the longest, are looked at, and no longer rows: more tell nothing new."""


@dataclass(frozen=True, eq=False)
class Marks:
    """n marks of an image.

    `centres` (n, 2) are (y, x) in shares of the side, `directions` (n,) radians, `lengths` (n,) pixels.
    """

    centres: Floats
    directions: Floats
    lengths: Floats


def marks(dark: Bools) -> Marks:
    """Return the short slender components of a binary image (side, side) that lie near its edge.

    A component's length and width are those of a rod with the same second moments: a rod of length l has variance
    l^2 / 12 along itself.
    """
    side = len(dark)
    rows, columns, label = components(dark)
    count = np.bincount(label)
    y, x = np.bincount(label, rows) / count, np.bincount(label, columns) / count
    down, right = rows - y[label], columns - x[label]
    yy, xx, xy = (np.bincount(label, product) / count for product in (down * down, right * right, down * right))
    spread = np.hypot(xx - yy, 2 * xy)
    length = np.sqrt(6 * (xx + yy + spread) + 1)
    width = np.sqrt(np.maximum(0.0, 6 * (xx + yy - spread)) + 1)
    margin = np.minimum(np.minimum(x, y), side - 1 - np.maximum(x, y))
    fits = (count >= SMALLEST) & (margin <= EDGE * side)
    fits &= (length >= LENGTHS[0] * side) & (length <= LENGTHS[1] * side)
    fits &= (width <= WIDEST * side) & (length >= SLENDER * width)
    chosen = np.flatnonzero(fits)
    chosen = chosen[np.argsort(-length[chosen], kind="stable")][:MOST_MARKS]
    directions = np.arctan2(2 * xy, xx - yy) / 2
    return Marks(np.stack([y, x], axis=1)[chosen] / side, directions[chosen], length[chosen])


def components(dark: Bools) -> tuple[Ints, Ints, Ints]:
    """Return rows, columns and component numbers, each (p,), of the p dark pixels; corners join, too."""
    rows, columns = np.nonzero(dark)
    number = np.full((dark.shape[0] + 2, dark.shape[1] + 2), -1)
    number[rows + 1, columns + 1] = np.arange(len(rows))
    neighbours = [number[rows + 1 + y, columns + 1 + x] for y, x in ((0, 1), (1, -1), (1, 0), (1, 1))]
    one = np.concatenate([np.flatnonzero(other >= 0) for other in neighbours])
    two = np.concatenate([other[other >= 0] for other in neighbours])
    label = np.arange(len(rows))
    while True:
        lowest = np.minimum(label[one], label[two])
        joined = label.copy()
        np.minimum.at(joined, one, lowest)
        np.minimum.at(joined, two, lowest)
        joined = joined[joined]
        if np.array_equal(joined, label):
            return rows, columns, np.unique(label, return_inverse=True)[1]
        label = joined


def scale(dark: Bools) -> int:
    """Return how many marks of a ruler's scale a binary image (side, side) shows near its edge.

    It is the longest regular row, 0 where that is less than `ROW_SHARE` of all marks.
    """
    found = marks(dark)
    row = longest_row(found)
    return row if row >= ROW_SHARE * len(found.lengths) else 0


def longest_row(of: Marks) -> int:
    """Return the number of marks in the longest regular row, 0 without any mark.

    A row goes from mark to mark of like length and direction, across them, in even steps; it may bend like the scale
    on the rim of a lens.
    """
    n = len(of.lengths)
    if n < 2:
        return n
    step = of.centres[None] - of.centres[:, None]
    distance = np.hypot(step[..., 0], step[..., 1])
    heading = np.arctan2(step[..., 0], step[..., 1])
    like = _angle(of.directions[None], of.directions[:, None]) < TURN
    like &= np.maximum.outer(of.lengths, of.lengths) <= STRETCH * np.minimum.outer(of.lengths, of.lengths)
    like &= _angle(heading, of.directions[:, None]) > ACROSS
    like &= (distance >= STEPS[0]) & (distance <= STEPS[1])
    off = np.linalg.norm(step[None] - step[:, :, None], axis=-1)  # [a, b, c]: step b to c minus step a to b
    goes_on = like[:, :, None] & like[None] & (off <= UNEVEN * distance[:, :, None])
    ends, length = like, 1
    while ends.any() and length < LONGEST_ROW:
        length += 1
        ends = (ends[:, :, None] & goes_on).any(axis=0)  # [b, c]: a row of so many marks and one more ends b, c
    return length


def _angle(a: Floats, b: Floats) -> Floats:
    """Return the angle between two undirected directions, 0 to pi / 2."""
    turned: Floats = np.abs((a - b + np.pi / 2) % np.pi - np.pi / 2)
    return turned
