"""Whether maps show what a model's answers rest on: energy and maximum inside the lesion, insertion and deletion.

Insertion and deletion: Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models",
BMVC 2018. Deletion erases an image step by step, what the map calls most important first, and the chance of the
answer should fall fast: a small area under its curve. Insertion goes from the erased image to the whole one in the same
order, and the chance should rise fast: a large area. Both are told as means over the frame, 0 to 1, and the gap between
them, insertion minus deletion, is 0 on average for a map that knows nothing.

Squares of a grid are erased, not single pixels as in the paper: scattered pixels make a noise that no photograph has,
and networks answer to the noise; at one grain, fine and coarse maps can be compared. Equal squares come in a drawn
order. Where the model gives the erased image the same answer, the answer rests on nothing in the image, and there is
nothing to find: such images have no curves.

Pointing game: Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016; without the margin that they
allow. By chance, both lesion measures come to the lesion's share of the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionlab.evaluation.evaluate import with_interval
from lesionlab.evaluation.intervals import measured
from lesionlab.evaluation.metrics import Bools, ratio
from lesionlab.evaluation.predictions import Floats, Ints

MEASURES: dict[str, str] = {
    "inside": "energy inside the lesion",
    "pointing": "maximum inside the lesion",
    "insertion": "area under insertion",
    "deletion": "area under deletion (low is good)",
    "gap": "insertion minus deletion",
}
"""The measures' names in words. All are in 0 to 1, the gap in -1 to 1."""

METHODS: dict[str, str] = {
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
    "occlusion": "occlusion",
    "saliency": "saliency",
    "centre": "centre Gaussian",
    "random": "random",
}
"""The maps' names in words; the last two are what the others must beat."""

CENTRE = "centre"
"""The method, a Gaussian in the middle of the frame, that the others are compared with."""

GRID = 16
"""Squares on a side of the grid by which images are erased."""

STEPS = 10
"""Steps in which an image is erased, of equal area."""

Pixels = npt.NDArray[np.uint8]
Maps = npt.NDArray[np.float32]


def order(maps: Maps, seed: int = 0) -> Ints:
    """Return the place of each square of the grid, int64 (n, GRID * GRID), the most important first, of maps (n, s, s).

    A square's importance is the map's mean over it.
    """
    cell = _cells(maps.shape[-1])
    members = np.eye(GRID)[cell] / np.bincount(cell, minlength=GRID)
    means = (members.T @ maps @ members).reshape(len(maps), -1)
    drawn = np.broadcast_to(np.random.default_rng(seed).permutation(GRID * GRID), means.shape)
    return np.argsort(np.lexsort((drawn, -means)), axis=1)


def _cells(side: int) -> Ints:
    """Return which of the grid's rows, or columns, holds each pixel along a side, int64 (side,)."""
    return np.arange(side) * GRID // side


def walk(start: Pixels, end: Pixels, places: Ints, chance: Callable[[Pixels], Floats]) -> Floats:
    """Return the chance of the answer, (n, STEPS + 1), while squares of `end` replace those of `start`.

    Parameters
    ----------
    start, end : uint8 (n, side, side, 3). From the erased to the whole images this is insertion, else deletion.
    places : (n, GRID * GRID) as `order` gives them. chance : returns (n,) of images like `start`.
    """
    cell = _cells(start.shape[1])
    found = []
    for step in range(STEPS + 1):
        taken = (places < round(step * GRID * GRID / STEPS)).reshape(-1, GRID, GRID)[:, cell][:, :, cell]
        found.append(chance(np.where(taken[..., None], end, start)))
    return np.stack(found, axis=1)


def area(curves: Floats) -> Floats:
    """Return the mean under each curve (n, STEPS + 1), (n,), by the trapezoidal rule."""
    under: Floats = ((curves[:, 1:] + curves[:, :-1]) / 2).mean(axis=1)
    return under


def pointing(maps: Maps, masks: Bools) -> Floats:
    """Return whether each map's maximum is inside the mask, (n,) 0 or 1, of maps and masks (n, s, s).

    Where several pixels share the maximum, the share of those inside; NaN for a map that is 0 all over.
    """
    top = maps.max(axis=(1, 2), keepdims=True)
    highest = (maps == top) & (top > 0)
    inside = (highest & masks).sum(axis=(1, 2)).astype(np.float64)
    return ratio(inside, highest.sum(axis=(1, 2)).astype(np.float64))


def faithfulness_table(
    found: Mapping[str, Mapping[str, Floats]], areas: Floats, lesions: Ints, resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Return every method's measures with 95 % intervals, bootstrapped by lesion, as a JSON-able dictionary.

    Parameters
    ----------
    found : method -> measure of `MEASURES` -> (n,), NaN where an image has none. `CENTRE` must be among the methods.
    areas : (n,) the lesion's share of the frame, NaN where there is no mask. lesions : (n,) their numbers, from 0.

    Keys, each figure {value, low, high}, None where undefined
    ----
    chance : the lesion's mean share of the frame, which both lesion measures of an even map come to.
    methods : method -> {images: measure -> how many have it, measures: measure -> figure,
        against_centre: measure -> the method minus the centre Gaussian on the images that have both}.
    """
    centre = found[CENTRE]
    columns = {"chance": areas}
    for method, values in found.items():
        columns |= {f"{method} {name}": values[name] for name in MEASURES}
        columns |= {f"{method} {name} more": values[name] - centre[name] for name in MEASURES}
    table = np.stack(list(columns.values()), axis=1)
    there = ~np.isnan(table)
    filled = np.where(there, table, 0)

    def means(weights: Floats) -> dict[str, Floats]:
        each = ratio(weights @ filled, weights @ there.astype(np.float64))
        return dict(zip(columns, each.T, strict=True))

    figures = measured(means, lesions, resamples, seed)
    return {
        "chance": figures["chance"],
        "methods": {
            method: {
                "images": {name: int((~np.isnan(values[name])).sum()) for name in MEASURES},
                "measures": {name: figures[f"{method} {name}"] for name in MEASURES},
                "against_centre": {name: figures[f"{method} {name} more"] for name in MEASURES},
            }
            for method, values in found.items()
        },
    }


def faithfulness_rows(table: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the printed rows of a `faithfulness_table`, a method in words and a cell for each measure.

    A star marks what differs from the centre Gaussian by an interval that leaves out 0.
    """
    rows = []
    for method, told in table["methods"].items():
        stars = ("*" if _sign(told["against_centre"][name]) else "" for name in MEASURES)
        cells = (with_interval(told["measures"][name]) for name in MEASURES)
        rows.append((METHODS[method], *(f"{cell}{star}" for cell, star in zip(cells, stars, strict=True))))
    return rows


def verdict(table: Mapping[str, Any], method: str) -> str:
    """Return in a sentence whether a method's maps tell more than the centre Gaussian; see `faithfulness_table`."""
    mine, centre = table["methods"][method], table["methods"][CENTRE]["measures"]
    gap, more, words = mine["measures"]["gap"], mine["against_centre"]["gap"], METHODS[method]
    if gap["value"] is None:
        told = f"What {words} is worth is undefined: every answer is the one that the erased image gets"
    else:
        better = {1: "better than", 0: "no better, as far as these images tell, than", -1: "worse than"}[_sign(more)]
        told = (
            f"{words} shows what the answers rest on {better} the centre of the frame does: on "
            f"{mine['images']['gap']:,} images, insertion minus deletion is {with_interval(gap)}, the centre's "
            f"{with_interval(centre['gap'])}, the difference {with_interval(more)}"
        )
    if (inside := mine["measures"]["inside"]["value"]) is None:
        return f"{told}."
    return (
        f"{told}; {inside:.0%} of its energy is inside the lesion, of the centre's {centre['inside']['value']:.0%}, "
        f"of an even map's {table['chance']['value']:.0%}."
    )


def _sign(difference: Mapping[str, float | None]) -> int:
    """Return 1 or -1 for a difference whose interval leaves out 0, otherwise 0."""
    low, high = difference["low"], difference["high"]
    return 0 if low is None or high is None else int(low > 0) - int(high < 0)
