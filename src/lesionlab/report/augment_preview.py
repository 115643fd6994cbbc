"""One image augmented many ways, as training sees it: the picture that tells whether a policy is sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lesionlab.data.augment import POLICIES, augment, draws
from lesionlab.data.cases import Case
from lesionlab.data.images import load_image, squash
from lesionlab.errors import DataError, UsageError
from lesionlab.report.figures import image_grid

COLUMNS = 5
LARGEST_COUNT = 100


def augment_preview(
    cases: Sequence[Case],
    out: Path,
    image_id: str | None = None,
    policy: str = "paper",
    count: int = 12,
    size: int = 224,
    seed: int = 0,
    colour_jitter: float = 0.0,
) -> Case:
    """Draw an image as it is and `count` augmented versions of it as PNG, and return its case.

    Parameters
    ----------
    image_id : which image; the first one where None.
    policy : a name in `data.augment.POLICIES`; colour_jitter : strength of the jitter on top, 0 for none.
    size : side of the square that a network would see, in pixels.

    Raises `UsageError` for an unknown policy or count, and `DataError` for an image that is not there.
    """
    if policy not in POLICIES:
        raise UsageError(f"unknown augmentation {policy!r}", f"known are {', '.join(POLICIES)}")
    if not 1 <= count <= LARGEST_COUNT:
        raise UsageError(f"{count} augmented images", f"between 1 and {LARGEST_COUNT} can be drawn")
    case = _find(cases, image_id)
    photograph = load_image(Path(case.path), case.image_id)
    image = squash(photograph, size)
    versions = _augmented(image, policy, count, seed, colour_jitter, photograph.width / photograph.height)
    titles = [f"{case.image_id} ({case.dx})" if case.dx else case.image_id]
    titles += [f"{policy} {number}" for number in range(1, count + 1)]
    image_grid([image, *versions], titles, out, COLUMNS)
    return case


def _find(cases: Sequence[Case], image_id: str | None) -> Case:
    for case in cases:
        if image_id in (None, case.image_id):
            return case
    known = ", ".join(case.image_id for case in cases[:3])
    raise DataError(f"no image {image_id!r} in the source", f"images here: {known}, ...")


def _augmented(
    image: np.ndarray, policy: str, count: int, seed: int, colour_jitter: float, aspect: float
) -> list[np.ndarray]:
    """Return `count` augmented versions, each uint8 of the image's shape (size, size, 3)."""
    batch = torch.from_numpy(image).permute(2, 0, 1).expand(count, -1, -1, -1)
    draw = torch.from_numpy(draws(seed, 0, count).astype(np.float32))
    chosen = POLICIES[policy].with_jitter(colour_jitter)
    changed = augment(batch, draw, chosen, image.shape[0], aspect)
    return list(changed.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
