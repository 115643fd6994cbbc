"""The colours in which a model sees its images."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Colour = Literal["rgb", "gray", "constancy"]
"""As they are; without colour; under one light."""

STANDARD_LIGHT = (200.0, 150.0, 158.0)
"""What `constancy` makes the light of every image: the mean over HAM10000's training images, on the 0..255 scale."""

_NORM = 6
_POWERS = ((np.arange(256) / 255) ** _NORM).astype(np.float32)
_LUMA_BLOCK = 1 << 20


def recolour(pixels: Pixels, colour: Colour) -> Pixels:
    """Return uint8 (n, height, width, 3) RGB images in the given colours, of the same shape."""
    if colour == "gray":
        return grayscale(pixels)
    return constancy(pixels) if colour == "constancy" else pixels


def grayscale(pixels: Pixels) -> Pixels:
    """Return uint8 (..., 3) RGB as uint8 (..., 3) of three equal channels: luma by ITU-R BT.601, rounded.

    0.299 R + 0.587 G + 0.114 B in 16-bit fixed point, equal to Pillow's mode L.
    """
    weights = np.array((19595, 38470, 7471), dtype=np.uint32)
    flat = pixels.reshape(-1, 3)
    grey = np.empty_like(flat)
    for start in range(0, len(flat), _LUMA_BLOCK):  # blocks: a whole pack in 32 bits would not fit in memory
        block = flat[start : start + _LUMA_BLOCK]
        grey[start : start + _LUMA_BLOCK] = ((block @ weights + 32768) >> 16)[:, None]
    return grey.reshape(pixels.shape)


def constancy(pixels: Pixels) -> Pixels:
    """Return uint8 (n, height, width, 3) RGB images as `STANDARD_LIGHT` would show them: Shades of Gray.

    The light is each channel's 6-norm over the image (Finlayson and Trezzi, Color Imaging Conference 2004; for
    dermoscopy Barata et al., IEEE JBHI 19:1146, 2015); black corners hardly count in it. Each channel is multiplied
    by the standard light over the image's own, rounded and cut at 255.
    """
    found = np.empty_like(pixels)
    for image, shown in zip(pixels, found, strict=True):
        for channel, standard in enumerate(STANDARD_LIGHT):
            plane = image[..., channel]
            light = max(255 * float(_POWERS[plane].mean(dtype=np.float64)) ** (1 / _NORM), 1.0)
            table = np.clip(np.rint(np.arange(256) * (standard / light)), 0, 255).astype(np.uint8)
            shown[..., channel] = table[plane]
    return found
