"""Grad-CAM maps laid over photographs: one picture per image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionlab.data.images import load_image, squash
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.errors import ImageError, UsageError
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import Composite
from lesionlab.prediction.gradcam import grad_cam
from lesionlab.prediction.predictor import Predictor, Refusal
from lesionlab.report.figures import image_grid

SIDE = 600
"""Longest side, in pixels, at which photographs are drawn."""

OPACITY = 0.6
"""How much the map covers where it is strongest."""

COLOURS = "viridis"
"""Blue to yellow: neither is a colour of skin, and people with colour blindness tell them apart."""

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
        pixels = squash(photograph, model.size)[None]
        probabilities = predictor.probabilities(pixels)[0]
        best = int(probabilities.argmax())
        shown = CODES.index(target) if target else best
        picture = out / f"{_free_name(path.stem + ('_panel' if panel else f'_{CODES[shown]}'), taken)}.png"
        drawn = shrink(photograph)
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
    from matplotlib import colormaps

    height, width = photograph.shape[:2]
    spread = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR)).clip(0, 1)
    share = OPACITY * spread[..., None]
    colours = 255 * colormaps[COLOURS](spread)[..., :3]
    return np.asarray((photograph * (1 - share) + colours * share).round().astype(np.uint8))


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
    image_grid([photograph, overlay(photograph, heat)], titles, picture, columns=2, width=4.0)


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
    image_grid(images, titles, picture, columns=4, width=2.4)


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, numbered when an image of another folder has it already."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
