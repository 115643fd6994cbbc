"""Lesion masks: which pixels of a photograph show the lesion."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionlab.data.images import IMAGE_SUFFIXES, load_image, squash
from lesionlab.errors import DataError

ENDING = "_segmentation"
"""What HAM10000 and ISIC call the mask of an image: its name with this ending."""

GREY_SHARE = 0.05
"""Largest share of pixels that are neither dark nor bright; a photograph in a mask's place has more."""

Masks = npt.NDArray[np.bool_]


def find_masks(folder: Path, image_ids: Iterable[str]) -> dict[str, Path]:
    """Return image_id -> mask file for those images that have one anywhere below `folder`.

    A mask of image ID is called ID_segmentation, with any suffix of an image; of two, the first by path is taken.
    Raises `DataError` when the folder is missing or holds no mask of any of the images.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name the folder of the lesion masks")
    wanted = {f"{image_id}{ENDING}": image_id for image_id in image_ids}
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(place, name) for name in sorted(names)):
            if path.stem in wanted and path.suffix.lower() in IMAGE_SUFFIXES:
                found.setdefault(wanted[path.stem], path)
    if not found:
        raise DataError(f"{folder}: no mask of any of the {len(wanted)} images", f"masks are called ID{ENDING}.png")
    return found


def load_mask(path: Path, size: int) -> Masks:
    """Return a mask as bool (size, size), True in the lesion, squashed like the photograph it belongs to.

    Bright pixels (above half of the brightest) are the lesion, so masks of 0 and 1 are read like those of 0 and 255.
    Raises `ImageError` for what is no image, and `DataError` for one that is no mask or shows no lesion.
    """
    grey = np.asarray(load_image(path).convert("L"), dtype=np.float64)
    top = grey.max()
    if top == 0:
        raise DataError(f"{path}: the mask is empty", "leave the image out or mend its mask")
    unclear = float(((grey > 0.1 * top) & (grey < 0.9 * top)).mean())
    if unclear > GREY_SHARE:
        raise DataError(f"{path}: no mask, {unclear:.0%} of its pixels are grey", "a mask is black and white")
    binary = Image.fromarray(np.where(grey > top / 2, 255, 0).astype(np.uint8))
    mask: Masks = squash(binary, size)[..., 0] > 127
    if not mask.any():
        raise DataError(f"{path}: at {size} pixels nothing is left of the lesion", "use a larger size")
    return mask
