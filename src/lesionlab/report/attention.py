"""Where trained models look: Grad-CAM maps of one part of a source, measured against the lesion masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.data.cases import Case, Problem, pick
from lesionlab.data.masks import Masks, find_masks, load_mask
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.attention import Shares, attention, attention_difference, shares
from lesionlab.evaluation.predictions import Floats
from lesionlab.files import write_json
from lesionlab.models.bundle import Bundle
from lesionlab.models.composite import read_model
from lesionlab.prediction.cam import Maps, grad_cam
from lesionlab.prediction.predictor import Predictor
from lesionlab.report.parts import PARTS, Images, part_images, run_folder, split_of

Pixels = npt.NDArray[np.uint8]
_CHUNK = 32


class Look:
    """A model, single or combined, ready to tell its answers and the maps that speak for them."""

    def __init__(self, path: Path) -> None:
        self.model = read_model(path)
        self._predictor, self._cam = Predictor(self.model), grad_cam(self.model)

    def __call__(self, pixels: Pixels, classes: Sequence[int] | None = None) -> tuple[Floats, Maps]:
        """Return probabilities (n, 7) and maps, float32 (n, size, size) in 0..1, of uint8 (n, size, size, 3).

        A map speaks for the class in `classes`, for the model's own answer where None.
        """
        probabilities = self._predictor.probabilities(pixels)
        chosen = probabilities.argmax(axis=1) if classes is None else classes
        return probabilities, self._cam.maps(pixels, [int(k) for k in chosen])


@dataclass(frozen=True, eq=False)
class Measured:
    """One model's maps measured on n images: their names and lesions, the shares of each, and what was left out."""

    image_ids: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    shares: Shares
    left_out: tuple[Problem, ...]

    @property
    def lesions(self) -> npt.NDArray[np.int64]:
        """(n,) number of each image's lesion, from 0."""
        return np.unique(np.array(self.lesion_ids), return_inverse=True)[1].astype(np.int64)

    def table(self, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
        """Return what `evaluation.attention.attention` tells, and how many lesions and images left out there are."""
        told = attention(self.shares, self.lesions, resamples, seed)
        left_out = [{"image_id": one.image_id, "reason": one.detail} for one in self.left_out]
        return {**told, "lesions": len(set(self.lesion_ids)), "left_out": left_out}


def measure(
    model: Path,
    images: Images,
    masks: Path | None = None,
    part: str = "val",
    count: int = 300,
    split_file: Path | None = None,
    seed: int = 0,
) -> Measured:
    """Measure the maps that speak for a model's answers on images of one part.

    Parameters
    ----------
    model : run folder, or a model folder with `split_file`.
    masks : folder of the lesion masks; the source itself where None.
    part : one of `PARTS`. split_file : the split, where the model has no run folder.
    count : how many images, chosen by hash of `seed` and image_id: models of one split get the same ones.

    Images that are left out are listed, those whose mask is missing or unreadable too; `DataError` when all are. Maps
    of test images are not counted as a look at the test: no figure of merit comes of them.
    """
    if part not in PARTS:
        raise UsageError(f"part {part!r}: no such part", f"parts are {', '.join(PARTS)}")
    look = Look(model)
    split = split_of(look.model, run_folder(model), part, split_file)
    packed, cases = part_images(look.model, split, images, part)
    picked = {case.image_id for case in pick(cases, count, seed)}
    rows = packed.rows(picked)
    folder = masks or images.folder
    files = find_masks(folder, [packed.cases[row].image_id for row in rows])
    outlines, left_out = read_masks([packed.cases[row] for row in rows], files, look.model.size)
    rows = np.array([row for row in rows if packed.cases[row].image_id in outlines], np.int64)
    parts: list[Shares] = []
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        maps = look(packed.pixels[chunk])[1]
        parts.append(shares(maps, np.stack([outlines[packed.cases[row].image_id] for row in chunk])))
        if images.progress:
            images.progress("measuring maps", first + len(chunk), len(rows))
    kept = [packed.cases[row] for row in rows]
    joined = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    left_out += [problem for problem in packed.left_out if problem.image_id in picked]
    return Measured(tuple(c.image_id for c in kept), tuple(c.lesion_id for c in kept), joined, tuple(left_out))


def read_masks(cases: Sequence[Case], files: Mapping[str, Path], size: int) -> tuple[dict[str, Masks], list[Problem]]:
    """Return the masks by image_id, and what is missing or unreadable; `DataError` when nothing else is there."""
    left_out = [Problem("missing mask", c.image_id, "", "no mask") for c in cases if c.image_id not in files]
    found: dict[str, Masks] = {}
    for image_id, path in files.items():
        try:
            found[image_id] = load_mask(path, size)
        except DataError as error:
            left_out.append(Problem("unreadable mask", image_id, str(path), error.message))
    if not found:
        raise DataError("none of the images has a readable mask", "mend the masks")
    return found, left_out


def write_attention(
    models: Mapping[str, Path],
    images: Images,
    out: Path,
    masks: Path | None = None,
    part: str = "val",
    count: int = 300,
    split_file: Path | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure several models, label -> path, and write one JSON table; see `measure` for the parameters.

    Keys
    ----
    part, count, seed, resamples : as given.
    models : label -> {images, lesions, empty, left_out, measures : name -> {value, low, high}}.
    differences : label of a grayscale model -> {against : label of the RGB model made in the same way, images, empty,
    measures}: RGB minus grayscale, paired; only where the images are the same.
    """
    measured = {label: measure(path, images, masks, part, count, split_file, seed) for label, path in models.items()}
    result = {
        "part": part,
        "count": count,
        "seed": seed,
        "resamples": resamples,
        "models": {label: one.table(resamples, seed) for label, one in measured.items()},
        "differences": {
            gray: {"against": rgb, **_minus(measured[rgb], measured[gray], resamples, seed)}
            for gray, rgb in _colour_pairs(models).items()
            if measured[rgb].image_ids == measured[gray].image_ids
        },
    }
    write_json(out, result)
    return result


def _minus(rgb: Measured, gray: Measured, resamples: int, seed: int) -> dict[str, Any]:
    return attention_difference(gray.shares, rgb.shares, gray.lesions, resamples, seed)


def _colour_pairs(models: Mapping[str, Path]) -> dict[str, str]:
    """Return the label of each single grayscale model with that of the nearest RGB one that differs in nothing else."""
    found = [(label, model) for label, path in models.items() if isinstance(model := read_model(path), Bundle)]
    pairs = {}
    for place, (label, gray) in enumerate(found):
        twins = [
            other
            for other, (_, rgb) in enumerate(found)
            if (gray.colour, rgb.colour) == ("gray", "rgb") and _made(gray) == _made(rgb)
        ]
        if twins:
            pairs[label] = found[min(twins, key=lambda other: abs(other - place))][0]
    return pairs


def _made(model: Bundle) -> tuple[str, int, dict[str, Any]]:
    """Return how a model was made, but for its colour."""
    recipe = {name: value for name, value in model.training.get("recipe", {}).items() if name != "colour"}
    return model.architecture, model.size, recipe
