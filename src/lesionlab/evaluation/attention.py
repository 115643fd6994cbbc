"""Where a model's maps lie: inside the lesion, on its border, or on the skin around it.

A map's energy is the sum of its values. Its share inside the lesion mask is told beside the share that a uniform map
would have, which is the mask's area, because a large lesion collects energy by its size alone. The border is a ring
about the outline, the interior what is left of the lesion within it; a model that looks at the shape has more of its
energy on the border, one that looks at colour and texture more in the interior. A map has no finer grain than the
network's last feature map (7 x 7 for most at 224 pixels), which blurs border and interior into each other: compare
models of one architecture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.errors import DataError
from lesionlab.evaluation.intervals import check_resamples, measured
from lesionlab.evaluation.metrics import Bools
from lesionlab.evaluation.predictions import Floats, Ints

RING = 0.04
"""Half width of the border ring, as a share of the image's side."""

REGIONS: tuple[str, ...] = ("inside", "border", "interior")

MEASURES: dict[str, str] = {
    "inside": "share of the map inside the lesion",
    "border": "share of the map on the border",
    "interior": "share of the map in the interior",
    "inside_area": "share of the frame inside the lesion",
    "border_area": "share of the frame on the border",
    "interior_area": "share of the frame in the interior",
    "inside_ratio": "inside, against a uniform map",
    "border_ratio": "on the border, against a uniform map",
    "interior_ratio": "in the interior, against a uniform map",
    "border_to_interior": "density on the border, against the interior's",
}
"""The measures' names in words. Means are over images; a ratio is one of two such means."""

Shares = dict[str, Floats]
"""inside, border, interior (NaN for a map that is 0 all over) and their areas: share (n,) of each image."""


def regions(mask: Bools) -> dict[str, Bools]:
    """Return the pixels of each of `REGIONS`, bool (s, s), of a mask (s, s).

    The border are the pixels at most `RING` times the side away from the outline (a dilation minus an erosion with a
    disc). Where a lesion is cut off by the frame there is no outline.
    """
    from scipy.ndimage import distance_transform_edt

    if mask.all():
        return {"inside": mask, "border": np.zeros_like(mask), "interior": mask}
    radius = max(1.0, RING * len(mask))
    border = np.where(mask, distance_transform_edt(mask), distance_transform_edt(~mask)) <= radius
    return {"inside": mask, "border": border, "interior": mask & ~border}


def shares(maps: npt.NDArray[np.float32], masks: Bools) -> Shares:
    """Return each map's energy share in each region, and each region's area, of maps and masks (n, s, s).

    Raises `DataError` for shapes that do not fit, values that are negative or not finite, and an empty mask.
    """
    if maps.shape != masks.shape or maps.ndim != 3 or maps.shape[1] != maps.shape[2]:
        raise DataError(f"maps of shape {maps.shape} and masks of shape {masks.shape} do not fit together")
    if not np.isfinite(maps).all() or (maps < 0).any():
        raise DataError("a map holds values that are negative or not finite", "give Grad-CAM maps in 0 to 1")
    if not masks.any(axis=(1, 2)).all():
        raise DataError(f"mask {int(masks.any(axis=(1, 2)).argmin())} shows no lesion", "leave its image out")
    found: Shares = {name: np.full(len(maps), np.nan) for region in REGIONS for name in (region, f"{region}_area")}
    for row, (values, mask) in enumerate(zip(maps.astype(np.float64), masks, strict=True)):
        energy = values.sum()
        for region, pixels in regions(mask).items():
            found[f"{region}_area"][row] = pixels.mean()
            if energy > 0:
                found[region][row] = values[pixels].sum() / energy
    return found


def attention(of: Shares, lesions: Ints, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return a model's measures with 95 % intervals, bootstrapped by lesion, as a JSON-able dictionary.

    `lesions` (n,) numbers the images' lesions from 0. Images whose map is 0 all over are counted (empty) and left out.
    Keys: images, empty, measures : name (`MEASURES`) -> {value, low, high}. Raises `DataError` when every map is 0.
    """
    kept = ~np.isnan(of["inside"])
    return {
        "images": len(kept),
        "empty": int((~kept).sum()),
        "measures": _with_intervals([of], kept, lesions, resamples, seed),
    }


def attention_difference(a: Shares, b: Shares, lesions: Ints, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return b's measures minus a's on the same images, both seeing the same resamples; keys as in `attention`."""
    if len(a["inside"]) != len(b["inside"]):
        raise DataError("the two models were measured on different images", "measure both on the same ones")
    kept = ~np.isnan(a["inside"]) & ~np.isnan(b["inside"])
    return {
        "images": len(kept),
        "empty": int((~kept).sum()),
        "measures": _with_intervals([a, b], kept, lesions, resamples, seed),
    }


def _with_intervals(
    models: list[Shares], kept: Bools, lesions: Ints, resamples: int, seed: int
) -> dict[str, dict[str, float | None]]:
    """Return the measures of one model, or the second's minus the first's, over the `kept` images."""
    check_resamples(resamples)
    if not kept.any():
        raise DataError("every map is 0 all over: nothing can be measured", "the model sees nothing for its answers")
    numbers = np.unique(lesions[kept], return_inverse=True)[1].astype(np.int64)
    chosen = [{name: values[kept] for name, values in of.items()} for of in models]

    def of_images(weights: Floats) -> dict[str, Floats]:
        each = [_measures(of, weights) for of in chosen]
        return each[0] if len(each) == 1 else {name: each[1][name] - each[0][name] for name in MEASURES}

    return measured(of_images, numbers, resamples, seed)


def _measures(of: Shares, weights: Floats) -> dict[str, Floats]:
    """Return every measure (b,) for image weights (b, n); NaN where a region has no area."""
    total = weights.sum(axis=1)
    means = {name: weights @ values / total for name, values in of.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {f"{region}_ratio": means[region] / means[f"{region}_area"] for region in REGIONS}
        ratio = ratios["border_ratio"] / ratios["interior_ratio"]
    found = {**means, **ratios, "border_to_interior": np.where(np.isfinite(ratio), ratio, np.nan)}
    return {name: found[name] for name in MEASURES}
