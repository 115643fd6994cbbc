"""The camera of the synthetic source: skin, framing, hair, light, lens and sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lesionlab.data.sources.painting import Lesion, Skin
from lesionlab.data.sources.texture import Canvas, Map, clouds, rough, scatter, step, vessels

SKINS = ((0.93, 0.74, 0.68), (0.90, 0.70, 0.74), (0.86, 0.78, 0.78), (0.92, 0.76, 0.62), (0.84, 0.66, 0.60))
"""Colours of skin under a dermatoscope: rosy, violet, grey, yellowish, tanned."""

ZOOM = (0.85, 1.2)
"""How far photographs of one lesion differ in scale."""


def canvas_for(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """Return a canvas that still fills a photograph of (width, height) turned and shifted at the smallest zoom."""
    side = math.ceil(1.12 * math.hypot(*size) / ZOOM[0])
    return Canvas(rng, side, size[1] / 2)


def paint_skin(canvas: Canvas) -> Skin:
    """Return skin with fine lines, mottling, freckles and small vessels."""
    rng = canvas.rng
    red, green, blue = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.9, 1.05)
    lines = clouds(canvas, 0.03, stretch=rng.uniform(2, 4)) + rough(canvas, 0.05, 2)
    melanin = rng.uniform(0.01, 0.03) * rough(canvas, 0.4) + rng.uniform(0.012, 0.03) * lines
    if rng.random() < 0.3:
        melanin += step(rough(canvas, rng.uniform(0.1, 0.25)), 0.8, 3.4) * rng.uniform(0.1, 0.6)
    blood = rng.uniform(0.01, 0.05) * rough(canvas, 0.25, 4)
    if rng.random() < 0.5:
        starts = scatter(canvas, int(rng.integers(3, 9)), canvas.extent / 2)
        blood += vessels(canvas, starts, 0.9, 0.016, 0.1) * rng.uniform(0.05, 0.3)
    return Skin((float(red), float(green), float(blue)), np.asarray(melanin, np.float32), np.asarray(blood, np.float32))


def develop(lesion: Lesion, skin: Skin) -> Image.Image:
    """Return the whole canvas as an RGB image."""
    return Image.fromarray(np.uint8(np.clip(lesion.colour(skin), 0, 1) * 255 + 0.5))


@dataclass(frozen=True)
class Habit:
    """What photographs of one lesion share: how hairy the skin is, how dark and how thick the hairs."""

    hairs: int
    shade: float
    width: float


def habit(rng: np.random.Generator) -> Habit:
    """Return one person's hair: none, some or much."""
    few, many = int(rng.integers(1, 8)), int(rng.integers(8, 35))
    hairs = int(rng.choice([0, few, many], p=[0.45, 0.35, 0.2]))
    return Habit(hairs, float(rng.uniform(0.08, 0.4)), float(rng.uniform(0.006, 0.014)))


def photograph(
    rng: np.random.Generator, scene: Image.Image, lesion: Lesion, worn: Habit, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """Return one photograph (RGB) and its lesion mask (1-bit, set in the lesion), both of (width, height).

    `scene` is the canvas as `develop` returns it.
    """
    place = _framing(rng, lesion, size)
    frame = scene.transform(size, Image.Transform.AFFINE, place, Image.Resampling.BICUBIC)
    inside = Image.fromarray(np.uint8(lesion.inside * 255))
    mask = inside.transform(size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR)
    pixels = np.asarray(frame, np.float32) / np.float32(255)
    pixels = _light(rng, _hair(rng, pixels, worn))
    pixels = pixels + rng.normal(0, rng.uniform(0.004, 0.018), pixels.shape).astype(np.float32)
    return Image.fromarray(np.uint8(np.clip(pixels, 0, 1) * 255 + 0.5)), mask.point(lambda v: 255 * (v > 127), "1")


def _framing(
    rng: np.random.Generator, lesion: Lesion, size: tuple[int, int]
) -> tuple[float, float, float, float, float, float]:
    """Return the affine map from photograph to canvas: turned, zoomed and shifted a little, never mirrored."""
    angle, zoom = rng.uniform(0, 2 * math.pi), rng.uniform(*ZOOM)
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    middle = lesion.canvas.side / 2 + rng.normal(0, 0.06, 2).clip(-0.12, 0.12) * lesion.canvas.unit
    width, height = size
    return (
        cos, -sin, middle[0] - (cos * width - sin * height) / 2,
        sin, cos, middle[1] - (sin * width + cos * height) / 2,
    )  # fmt: skip


def _hair(rng: np.random.Generator, pixels: Map, worn: Habit) -> Map:
    """Lay curved dark hairs over the picture, mostly in one direction."""
    if not worn.hairs:
        return pixels
    height, width = pixels.shape[:2]
    zoom = 2
    layer = Image.new("L", (width * zoom, height * zoom))
    draw = ImageDraw.Draw(layer)
    comb = rng.uniform(0, 2 * math.pi)
    for _ in range(worn.hairs):
        x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.normal(comb, 0.4)
        bend, points = rng.normal(0, 0.07), [(x * zoom, y * zoom)]
        for _ in range(int(rng.integers(5, 16))):
            x, y, angle = x + 0.03 * width * math.cos(angle), y + 0.03 * width * math.sin(angle), angle + bend
            points.append((x * zoom, y * zoom))
        draw.line(points, fill=int(rng.integers(150, 255)), width=max(1, round(worn.width * height * zoom / 2)))
    cover = np.asarray(layer.resize((width, height), Image.Resampling.BOX), np.float32)[..., None] / np.float32(255)
    return np.asarray(pixels + cover * (np.float32(worn.shade) * pixels - pixels), np.float32)


def _light(rng: np.random.Generator, pixels: Map) -> Map:
    """Change white balance, exposure and contrast; darken towards one side and towards the corners."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x - width / 2) / (height / 2), (y - height / 2) / (height / 2)
    cast = rng.normal(1, 0.03, 3).astype(np.float32) * np.float32(rng.uniform(0.85, 1.08))
    slope: npt.NDArray[np.float32] = 1 + np.float32(rng.normal(0, 0.05)) * x + np.float32(rng.normal(0, 0.05)) * y
    distance = np.hypot(x, y).astype(np.float32)
    slope = slope * (1 - np.float32(rng.uniform(0, 0.14)) * distance**2)
    if rng.random() < 0.3:
        reach = rng.uniform(1.25, 1.5)
        slope = slope * (0.07 + 0.93 * step(distance, reach + 0.06, reach - 0.03))
    return np.asarray((pixels * cast * slope[..., None]) ** np.float32(rng.uniform(0.88, 1.15)), np.float32)
