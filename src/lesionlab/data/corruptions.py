"""What goes wrong with dermoscopic photographs: twelve corruptions in five severities, for testing models.

After ImageNet-C (Hendrycks and Dietterich 2019, Benchmarking neural network robustness to common corruptions and
perturbations), with what dermoscopy adds: hair, rulers, ink, bubbles and dark corners, which `data.overlays` draws.
Every length is a share of the image's side, so that a photograph is hurt alike at whatever size a model sees it.
Severity 1 is barely seen; at 5 the photograph is bad, but a person can still read it. Strengths were set by eye, not on
any model's answers. Shapes are those of the square that a model sees, whatever photograph was squashed into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionlab.data import overlays
from lesionlab.data.overlays import Map

Pixels = npt.NDArray[np.uint8]
Corruption = Callable[[Map, np.random.Generator, int], Map]
"""Takes an image, float32 (side, side, 3) in 0..1, a generator and a severity; may return values outside 0..1."""

SEVERITIES: tuple[int, ...] = (1, 2, 3, 4, 5)

DEFOCUS = (0.004, 0.008, 0.013, 0.020, 0.030)
"""Radius of the blurred spot."""
MOTION = (0.012, 0.025, 0.045, 0.070, 0.100)
"""Length of the blurred trace."""
NOISE = (0.02, 0.04, 0.07, 0.11, 0.16)
"""Standard deviation, white being 1."""
EXPOSURE = (0.15, 0.35, 0.6, 0.9, 1.3)
"""Stops too dark, or too bright."""
CONTRAST = (0.85, 0.70, 0.58, 0.46, 0.35)
"""What is left of each pixel's distance to the mean colour."""
CAST = (0.04, 0.08, 0.13, 0.19, 0.27)
"""Length of the step in log RGB."""
QUALITY = (60, 35, 20, 12, 7)
"""Of the JPEG encoder, whose scale ends at 95."""
RESOLUTION = (128, 96, 64, 44, 28)
"""Pixels that are left along a side; an image that has fewer is not changed."""

GRAIN = 224
"""Grains of noise along a side, whatever the image's own size."""

JPEG_SIDE = 448
"""Smaller images are compressed at this side, so that JPEG's blocks of 8 pixels are those of a whole photograph."""

GAMMA = 2.2
"""Of the screen that pixels are meant for: light is their power (IEC 61966-2-1, approximately)."""

SPOT = 256
"""Points that stand for a blurred spot or trace."""


def defocus(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Out of focus."""
    return out_of_focus(image, DEFOCUS[severity - 1] * len(image))


def out_of_focus(image: Map, radius: float) -> Map:
    """Return the image with each point spread evenly over a disk of this radius in pixels, which may be below 1."""
    place = np.arange(SPOT)
    distance, angle = np.sqrt((place + 0.5) / SPOT), place * overlays.GOLDEN_ANGLE  # Vogel's spiral
    return _blurred(image, radius * distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def motion(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Camera or skin moved: each point becomes a straight trace, in a drawn direction."""
    angle = rng.uniform(0, np.pi)
    trace = np.linspace(-0.5, 0.5, SPOT)[:, None] * np.array([np.cos(angle), np.sin(angle)])
    return _blurred(image, trace * MOTION[severity - 1] * len(image))


def _blurred(image: Map, offsets: npt.NDArray[np.float64]) -> Map:
    """Return the mean of copies of the image moved by each of the offsets (k, 2), in pixels; edges are mirrored."""
    reach = int(np.ceil(np.abs(offsets).max())) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    first = np.floor(offsets).astype(np.int64)
    beyond = offsets - first
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):  # the four pixels that a point lies between
        weight = np.abs(1 - down - beyond[:, 0]) * np.abs(1 - right - beyond[:, 1])
        np.add.at(kernel, (first[:, 0] + down + reach, first[:, 1] + right + reach), weight / len(offsets))
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "symmetric")
    shape = padded.shape[:2]
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(kernel, shape)[..., None]
    whole = np.fft.irfft2(spectrum, shape, axes=(0, 1))
    return np.asarray(whole[2 * reach :, 2 * reach :], np.float32)


def noise(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Sensor noise in colour, normally distributed."""
    grain = rng.standard_normal((GRAIN, GRAIN, 3), dtype=np.float32)
    planes = [
        Image.fromarray(np.ascontiguousarray(grain[..., channel])).resize(image.shape[1::-1], Image.Resampling.BOX)
        for channel in range(3)
    ]
    scaled = NOISE[severity - 1] * np.stack([np.asarray(plane) for plane in planes], axis=-1)
    return np.asarray(image + scaled, np.float32)


def brightness(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Too little light, or too much: by a number of stops, up or down as drawn."""
    stops = EXPOSURE[severity - 1] * rng.choice([-1, 1])
    return image * np.float32(2 ** (stops / GAMMA))


def contrast(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Stray light or a dirty glass: less contrast, about the mean colour."""
    mean = image.mean(axis=(0, 1))
    return np.asarray(mean + (image - mean) * CONTRAST[severity - 1], np.float32)


def colour_cast(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """A wrong white balance: each channel is multiplied, one up and another down as drawn."""
    step = rng.normal(size=3)
    step -= step.mean()
    gains = np.exp(CAST[severity - 1] * step / np.linalg.norm(step))
    return np.asarray(image * gains, np.float32)


def jpeg(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Compressed too much."""
    side = len(image)
    whole = Image.fromarray(to_pixels(image))
    if side < JPEG_SIDE:
        whole = whole.resize((JPEG_SIDE, JPEG_SIDE), Image.Resampling.BICUBIC)
    buffer = BytesIO()
    whole.save(buffer, "JPEG", quality=QUALITY[severity - 1])
    read = Image.open(buffer, formats=("JPEG",)).convert("RGB")
    return to_map(np.asarray(read.resize((side, side), Image.Resampling.BOX)))


def resolution(image: Map, rng: np.random.Generator, severity: int) -> Map:
    """Too few pixels, enlarged again."""
    side = len(image)
    left = min(side, RESOLUTION[severity - 1])
    small = Image.fromarray(to_pixels(image)).resize((left, left), Image.Resampling.BICUBIC)
    return to_map(np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)))


CORRUPTIONS: dict[str, Corruption] = {
    "defocus": defocus,
    "motion blur": motion,
    "noise": noise,
    "brightness": brightness,
    "contrast": contrast,
    "colour cast": colour_cast,
    "JPEG": jpeg,
    "resolution": resolution,
    "hair": overlays.hair,
    "ruler": overlays.ruler,
    "ink": overlays.ink,
    "bubbles and dark corners": overlays.bubbles_and_corners,
}


def corrupt(pixels: Pixels, image_ids: Sequence[str], name: str, severity: int, seed: int = 0) -> Pixels:
    """Return images with one of `CORRUPTIONS`, uint8 (n, side, side, 3).

    What is drawn depends on `seed`, `name` and each image's id alone, not on the severity: the same hairs lie on an
    image at every severity, and more of them as it grows. The result is the same on each call with the same versions
    of numpy and Pillow.

    Parameters
    ----------
    pixels : uint8 RGB (n, side, side, 3). image_ids : n names. severity : one of `SEVERITIES`.

    Raises `ValueError` for another name or severity, and for pixels of another type or shape.
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"no corruption {name!r} of severity {severity}")
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (pixels.shape[1], pixels.shape[1], 3):
        raise ValueError(f"pixels {pixels.dtype} {pixels.shape} are not uint8 (n, side, side, 3)")
    found = np.empty_like(pixels)
    for place, (image, image_id) in enumerate(zip(pixels, image_ids, strict=True)):
        found[place] = to_pixels(CORRUPTIONS[name](to_map(image), generator(seed, name, image_id), severity))
    return found


def generator(seed: int, name: str, image_id: str) -> np.random.Generator:
    """Return the random numbers that belong to one image and one corruption."""
    digest = hashlib.sha256(f"{seed}:{name}:{image_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def to_map(image: Pixels) -> Map:
    """Return pixels as float32 in 0..1."""
    return image.astype(np.float32) / np.float32(255)


def to_pixels(image: Map) -> Pixels:
    """Return values in 0..1 as uint8; what lies outside is cut."""
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)
