"""How a photograph looks, in nine plain numbers of its pixels: enough to tell what is no dermoscopy.

Dermoscopy shows skin of one colour, evenly lit, without sharp edges, filling the frame: colours vary little and warmly,
and detail grows smoothly from fine to coarse. Colours are taken as ratios, and dark corners left out, because cameras
differ in both. A network's features told other images apart worse, and those of the same kind by another camera apart
as well; `benchmarks/outliers.py` measures.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.floating]
Pixels = npt.NDArray[np.uint8]

STATISTICS: tuple[str, ...] = (
    "brightness", "green_to_blue", "contrast", "warm", "fine", "coarse", "finest_to_fine", "colour_detail", "border",
)  # fmt: skip
"""What `statistics` returns, in this order."""

CELLS = 56
DARK = 0.08
"""Cells less bright, of 0 to 1, do not count for colour, brightness and contrast: corners that a lens leaves black."""

_SMALL = 0.02


def statistics(images: Iterable[Pixels]) -> Floats:
    """Return the statistics of n uint8 RGB images (s, s, 3), one after the other, float64 (n, 9).

    All but one are of the image averaged over about 56 cells a side: logarithms of the mean brightness, of green over
    blue (its mean) and of the brightness' deviation; the share of cells that are reddest; logarithms of the detail,
    which is the mean difference of neighbours, at 56 and at 14 cells a side, of the ratio of the green pixels' to that
    at 56 cells, and of green over blue at 28 cells; logarithm of the ratio of the centre's brightness to that of a
    frame about it.
    """
    return np.array([_of_image(image) for image in images], np.float64).reshape(-1, len(STATISTICS))


def _of_image(image: Pixels) -> list[float]:
    cells = np.asarray(Image.fromarray(image).reduce(max(1, len(image) // CELLS)), np.float32) / 255
    red, green, blue = np.moveaxis(cells, 2, 0)
    brightness = cells.mean(axis=2)
    lit = brightness > DARK
    if lit.mean() < 0.01:
        lit[:] = True
    green_to_blue = np.log((green + _SMALL) / (blue + _SMALL))
    fine = _detail(brightness)
    centre, frame, hole = (_middle(brightness, margin) for margin in (2 / 7, 1 / 14, 5 / 28))
    around = (frame.sum() - hole.sum()) / (frame.size - hole.size)
    return [
        float(np.log(brightness[lit].mean() + _SMALL)),
        float(green_to_blue[lit].mean()),
        float(np.log(brightness[lit].std() + 0.01)),
        float(((red >= green) & (red >= blue))[lit].mean()),
        fine,
        _detail(_averaged(brightness, 4)),
        _detail(image[..., 1].astype(np.float32) / 255) - fine,
        _detail(_averaged(green_to_blue, 2)),
        float(np.log((centre.mean() + _SMALL) / (around + _SMALL))),
    ]


def _averaged(plane: Plane, by: int) -> Plane:
    """Return a plane (s, s) as means over squares of `by` cells a side; what is left over at the end is cut."""
    side = len(plane) // by
    return np.asarray(plane[: side * by, : side * by].reshape(side, by, side, by).mean(axis=(1, 3)))


def _detail(plane: Plane) -> float:
    """Return the logarithm of the mean difference of neighbours in both directions."""
    steps = np.abs(np.diff(plane, axis=0)).mean() + np.abs(np.diff(plane, axis=1)).mean()
    return float(np.log(steps / 2 + 0.001))


def _middle(plane: Plane, margin: float) -> Plane:
    """Return a plane without a margin, a share of its side."""
    cut = round(margin * len(plane))
    return plane[cut : len(plane) - cut, cut : len(plane) - cut]
