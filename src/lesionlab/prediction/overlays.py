"""Pictures of Grad-CAM maps: one class over the image, or the image beside the maps of all seven."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionlab.data.images import load_image, squash
from lesionlab.diagnoses import CODES, NAMES
from lesionlab.errors import ImageError, UsageError
from lesionlab.files import write_bytes
from lesionlab.models.bundle import Bundle
from lesionlab.prediction.predictor import Answer, Predictor, Refusal, answer

if TYPE_CHECKING:
    from lesionlab.prediction.gradcam import GradCam

COLOURS = "viridis"
"""matplotlib's map from violet over green to yellow: even steps of lightness, so that grey print and colour blindness
keep its order, in hues that neither skin nor lesions have."""

SIDE = 600
"""Longest side of a picture, in pixels; smaller images keep their size."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Explanation:
    """A picture that was written: of which image, what the model answered, and the class explained (None: all)."""

    written: Path
    answer: Answer
    explained: str | None


def overlay(pixels: Pixels, heat: npt.NDArray[np.float32], opacity: float = 0.45) -> Pixels:
    """Return uint8 (h, w, 3): `heat` (rows, columns) in 0..1 as colour over the image (h, w, 3), stretched to it.

    opacity : share of the colour in the mixture, 0..1, the same everywhere, so that equal heat looks equal.
    """
    from matplotlib import colormaps

    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity {opacity} is outside 0 to 1")
    height, width = pixels.shape[:2]
    stretched = Image.fromarray(heat.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    colour: npt.NDArray[np.float64] = colormaps[COLOURS](np.asarray(stretched).clip(0, 1))[..., :3] * 255
    return cast(Pixels, np.rint((1 - opacity) * pixels + opacity * colour).astype(np.uint8))


def panel(pixels: Pixels, heats: npt.NDArray[np.float32], result: Answer, opacity: float = 0.45) -> bytes:
    """Return a PNG of the image (h, w, 3) and all classes' overlays, heats (7, rows, columns), with probabilities.

    The likeliest class is framed. Every map is scaled by itself: compare places between classes, not brightness.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 4).ravel()
    axes[0].imshow(pixels)
    axes[0].set_title(result.image_id[:40], fontsize=10, parse_math=False)
    for axis, code, heat, probability in zip(axes[1:], CODES, heats, result.probabilities, strict=True):
        axis.imshow(overlay(pixels, heat, opacity))
        likeliest = code == result.diagnosis
        name = NAMES[code].replace(" / ", " /\n")
        axis.set_title(f"{name}: {probability:.1%}", fontsize=10, fontweight="bold" if likeliest else "normal")
        if not heat.any():
            axis.set_xlabel("nothing speaks for it", fontsize=9)
        for spine in axis.spines.values():
            spine.set(visible=likeliest, linewidth=4)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    figure.supxlabel("Grad-CAM, each map scaled by itself. Research use, not a medical device.", fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def write_explanations(
    paths: Iterable[Path],
    bundle: Bundle,
    out: Path,
    class_code: str | None = None,
    panel: bool = False,
    views: int | None = None,
) -> Iterator[Explanation | Refusal]:
    """Write a PNG for each image into the folder `out`, and yield what was written, or why not, in order.

    The file is called after the image and the class, `NAME_mel.png`, or `NAME_panel.png`; a second image of the
    same name gets `NAME-2`. Probabilities are the ones that `Predictor` gives with `views`.

    class_code : the diagnosis to explain; the likeliest of each image where None.
    panel : all seven classes in one picture instead.

    Raises `UsageError` for an unknown class, `ModelError` for a model that cannot be used or has no maps, and
    `DataError` when the disk refuses.
    """
    if class_code is not None and class_code not in CODES:
        raise UsageError(f"unknown diagnosis {class_code!r}", f"known are {', '.join(CODES)}")
    from lesionlab.prediction.gradcam import GradCam

    predictor, gradcam = Predictor(bundle, views), GradCam(bundle)
    taken: set[Path] = set()
    for path in paths:
        try:
            image = load_image(path)
        except ImageError as error:
            yield Refusal(path, error.message)
            continue
        pixels = squash(image, bundle.size)[None]
        result = answer(path, predictor.probabilities(pixels)[0])
        code = None if panel else class_code or result.diagnosis
        target = _free_name(out, f"{path.stem}_{code or 'panel'}", taken)
        write_bytes(target, _picture(image, pixels, gradcam, result, code))
        yield Explanation(target, result, code)


def _picture(image: Image.Image, pixels: Pixels, gradcam: GradCam, result: Answer, code: str | None) -> bytes:
    """Return the PNG of one image: of one class, or the panel where `code` is None."""
    shown = image.copy()
    shown.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    seen = cast(Pixels, np.asarray(shown))
    if code is None:
        return panel(seen, gradcam.class_maps(pixels)[0], result)
    content = io.BytesIO()
    Image.fromarray(overlay(seen, gradcam.maps(pixels, [CODES.index(code)])[0])).save(content, "PNG")
    return content.getvalue()


def _free_name(out: Path, name: str, taken: set[Path]) -> Path:
    """Return `out/name.png`, numbered where this run has written it already, and note it as taken."""
    stem, _, suffix = name.rpartition("_")
    target, number = out / f"{name}.png", 1
    while target in taken:
        number += 1
        target = out / f"{stem}-{number}_{suffix}.png"
    taken.add(target)
    return target
