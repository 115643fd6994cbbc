"""Parts of photographs hidden: the lesion behind the colour of the skin around it, or all that is around the lesion.

A mask is grown before it is used, because a lesion fades beyond any outline drawn by hand. The grown mask and the rest
share the frame out: every pixel is hidden in one of the two pictures and shown in the other. An outline's hole still
tells the lesion's shape; its bounding box tells only how large it is and where it lies.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lesionlab.data.masks import Masks

MARGIN = 0.03
"""How far a mask is grown, as a share of the image's side."""

AROUND = 0.1
"""Width of the strip around a hidden part whose colour fills it, as a share of the image's side."""

Pixels = npt.NDArray[np.uint8]
Colour = npt.NDArray[np.float64]


def grown(mask: Masks) -> Masks:
    """Return a mask (s, s) with all pixels at most `MARGIN` times the side away from it."""
    return _distance(mask) <= MARGIN * len(mask)


def boxed(region: Masks) -> Masks:
    """Return the smallest upright box (s, s) around a region; `region` shows at least one pixel."""
    down, across = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    box = np.zeros_like(region)
    box[down[0] : down[-1] + 1, across[0] : across[-1] + 1] = True
    return box


def colour_around(pixels: Pixels, region: Masks) -> Colour:
    """Return the median colour (3,), 0 to 255, of the strip `AROUND` a region of uint8 pixels (s, s, 3).

    A median, because hairs, rulers and dark corners move a mean. The region leaves at least one pixel of the frame.
    """
    distance = _distance(region)
    strip = (distance > 0) & (distance <= max(1.0, AROUND * len(region)))
    return np.asarray(np.median(pixels[strip], axis=0))


def filled(pixels: Pixels, region: Masks, colour: Colour) -> Pixels:
    """Return a copy of uint8 pixels (s, s, 3) with one colour (3,), 0 to 255, all over a region (s, s)."""
    found = np.array(pixels)
    found[region] = colour.round().astype(np.uint8)
    return found


def _distance(region: Masks) -> npt.NDArray[np.float64]:
    """Return each pixel's distance to a region in pixels, 0 in it."""
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~region))
