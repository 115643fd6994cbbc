"""Grad-CAM maps laid over photographs: one picture per image, drawn with Pillow, as the base install has no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from lesionlab.data.images import frame, load_image, squash
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import atomic
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.cam import grad_cam
from lesionlab.prediction.predictor import Predictor, Refusal

SIDE = 600
"""Longest side, in pixels, at which photographs are drawn."""

OPACITY = 0.6
"""How much the map covers where it is strongest."""

COLOURS = (
    (68, 1, 84), (72, 26, 108), (71, 47, 125), (65, 68, 135), (57, 86, 140), (49, 104, 142), (42, 120, 142),
    (35, 136, 142), (31, 152, 139), (34, 168, 132), (53, 183, 121), (84, 197, 104), (122, 209, 81), (165, 219, 54),
    (210, 226, 27), (253, 231, 37),
)  # fmt: skip
"""From 0 to 1 in equal steps, matplotlib's viridis (van der Walt and Smith, CC0): blue to yellow, which are no colours
of skin, and which people with colour blindness tell apart."""

MARGIN, LETTERS = 12, 18
"""Space around pictures and height of letters, in pixels."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Explanation:
    """One explained image: the answer, the diagnosis that the map speaks for, and the picture."""

    image_id: str
    path: Path
    diagnosis: str
    probability: float
    explained: str
    picture: Path


def explain_images(
    model: Bundle | Composite, paths: Iterable[Path], out: Path, target: str | None = None, panel: bool = False
) -> Iterator[Explanation | Refusal]:
    """Write one PNG per image into `out` and yield what it shows, or why an image was refused.

    A picture has the photograph on the left and the map over it on the right; with `panel` the photograph and the
    maps of all seven diagnoses, each scaled by itself.

    Parameters
    ----------
    target : the diagnosis to explain; the predicted one of each image where None.

    Raises `UsageError` for an unknown diagnosis and `ModelError` for a network that keeps no plane of the image.
    """
    if target is not None and target not in CODES:
        raise UsageError(f"--class {target}: no such diagnosis", f"known are {', '.join(CODES)}")
    predictor, cam = Predictor(model), grad_cam(model)
    taken: set[str] = set()
    for path in paths:
        try:
            photograph = load_image(path)
        except ImageError as error:
            yield Refusal(path, error.message)
            continue
        pixels = squash(photograph, model.size, model.frame_aspect)[None]
        probabilities = predictor.probabilities(pixels)[0]
        best = int(probabilities.argmax())
        shown = CODES.index(target) if target else best
        picture = out / f"{_free_name(path.stem + ('_panel' if panel else f'_{CODES[shown]}'), taken)}.png"
        drawn = shrink(frame(photograph, model.frame_aspect))
        if panel:
            _draw_panel(drawn, cam.class_maps(pixels)[0], probabilities, path.stem, picture)
        else:
            _draw_pair(drawn, cam.maps(pixels, [shown])[0], shown, probabilities, path.stem, picture)
        yield Explanation(path.stem, path, CODES[best], float(probabilities[best]), CODES[shown], picture)


def shrink(photograph: Image.Image) -> Pixels:
    """Return the photograph as uint8 (height, width, 3), its longer side at most `SIDE`."""
    small = photograph.copy()
    small.thumbnail((SIDE, SIDE))
    return np.asarray(small)


def overlay(photograph: Pixels, heat: npt.NDArray[np.float32]) -> Pixels:
    """Return the photograph, uint8 (height, width, 3), under a map, float32 (rows, columns) in 0..1.

    The map is stretched over the frame; where it is 0 the photograph stays as it is.
    """
    height, width = photograph.shape[:2]
    spread = stretched(heat, (width, height))
    share = OPACITY * spread[..., None]
    return np.asarray((photograph * (1 - share) + coloured(spread) * share).round().astype(np.uint8))


def stretched(heat: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return a map, float32 (rows, columns), as one of `size` (width, height), in 0..1."""
    return np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)


def coloured(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return the colour of each value in 0..1 between those of `COLOURS`, RGB in 0..255 on a last axis."""
    steps = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, steps, channel) for channel in np.array(COLOURS).T], axis=-1)


def _draw_pair(
    photograph: Pixels,
    heat: npt.NDArray[np.float32],
    shown: int,
    probabilities: npt.NDArray[np.float64],
    name: str,
    picture: Path,
) -> None:
    best = int(probabilities.argmax())
    titles = [
        f"{name}: {NAMES[CODES[best]]}, {probabilities[best]:.0%}",
        f"what speaks for {CODES[shown]} ({probabilities[shown]:.0%})",
    ]
    sheet([photograph, overlay(photograph, heat)], titles, picture, columns=2)


def _draw_panel(
    photograph: Pixels,
    heats: npt.NDArray[np.float32],
    probabilities: npt.NDArray[np.float64],
    name: str,
    picture: Path,
) -> None:
    told = ["" if heat.any() else ", nothing speaks for it" for heat in heats]
    titles = [name, *(f"{code} {p:.0%}{more}" for code, p, more in zip(CODES, probabilities, told, strict=True))]
    images = [photograph, *(overlay(photograph, heat) for heat in heats)]
    sheet(images, titles, picture, columns=4)


def sheet(images: list[Pixels], titles: list[str], path: Path, columns: int) -> None:
    """Write uint8 RGB images (height, width, 3) of one size as PNG in rows of `columns`, titles above, wrapped.

    Images narrower than half of `SIDE` are enlarged to that.
    """
    cell = max(images[0].shape[1], SIDE // 2)
    height = round(images[0].shape[0] * cell / images[0].shape[1])
    font = ImageFont.load_default(LETTERS)
    labels = [wrapped(title, font, cell) for title in titles]
    head = (LETTERS + 4) * max(label.count("\n") + 1 for label in labels)
    across, down = cell + MARGIN, head + height + MARGIN
    rows = -(-len(images) // columns)
    page = Image.new("RGB", (columns * across + MARGIN, rows * down + MARGIN), "white")
    draw = ImageDraw.Draw(page)
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        left, top = MARGIN + place % columns * across, MARGIN + place // columns * down
        draw.multiline_text((left, top), label, "black", font)
        page.paste(Image.fromarray(image).resize((cell, height)), (left, top + head))
    with atomic(path) as file:
        page.save(file, "PNG")


def wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Return the text in lines that take at most `width` pixels, broken between words, within a word that is longer."""
    lines = [""]
    for word in text.split():
        if lines[-1] and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines.append(word)
        while font.getlength(lines[-1]) > width:
            fits = next(n for n in range(len(lines[-1]) - 1, 0, -1) if n == 1 or font.getlength(lines[-1][:n]) <= width)
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return "\n".join(lines[1:])


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, numbered when an image of another folder has it already."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
