"""Near duplicates: which images are copies of one another, turned, flipped, re-encoded, resized or mildly cropped.

Three steps, each on far fewer pairs than the one before, all by matrix products over blocks:

1. *alike*: every image against every other as an 8 x 8 colour thumbnail in its eight views, whole and cropped
   by 5 % a side; the `NEIGHBOURS` most alike go on;
2. *cropped alike*: the pair's finer structure at 16 x 16, over 81 crops of 0, 5 or 10 % of each side;
3. *aligned*: the pair is brought to cover exactly, and must then agree everywhere in its finest structure
   (hairs, dots, network), which two lesions of the same shape and colour do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from lesionlab.data.alignment import agreement, gaussian

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SIDE = 64
"""Pixels a side of the thumbnails that everything here works on."""

NEIGHBOURS = 128
"""(image, view) pairs that each image's first step hands on."""

CROP_SIMILARITY = 0.72
"""Least correlation at 16 x 16 over the best crop to go on to alignment."""

AGREEMENT = 0.60
"""Least agreement after alignment that makes a duplicate.

Among all 10,015 images of HAM10000 the best pair of different lesions reaches 0.55 (dark rims, blurred
skin); of 600 made copies those re-encoded, turned or resized reach 0.65 and more, of those cropped by up
to 10 % a side 97 in 100 reach 0.60.
"""

CROPS = (0.0, 0.05, 0.10)
COARSE, FINE = 8, 16
_STRUCTURE = 2.5  # sigma in thumbnail pixels: coarser shading than this is left out of the second step
_BLOCK_CELLS = 1 << 24
_CROPPED = 32  # images cropped at once


@dataclass(frozen=True)
class Pair:
    """Two images that are near duplicates: positions in the stack of thumbnails, and how well they agree, 0 to 1."""

    first: int
    second: int
    score: float


def near_duplicates(
    thumbnails: npt.NDArray[np.uint8],
    threshold: float = AGREEMENT,
    progress: Callable[[int, int], None] | None = None,
) -> list[Pair]:
    """Return all pairs of near duplicates among uint8 (n, SIDE, SIDE, 3) whole-frame thumbnails, best first.

    `progress(done, total)` is called with counts of images. Work grows with n squared (about a minute for
    10,000 images on one core), memory with n (about 50 KiB an image). Images almost without structure are
    never near duplicates.
    """
    total = len(thumbnails)
    luma = thumbnails.astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32)
    found: dict[tuple[int, int], float] = {}
    for queries, others, views, starts in _batched(_cropped_alike(thumbnails, progress)):
        templates = np.stack([view(luma[j], int(v)) for j, v in zip(others, views, strict=True)])
        for i, j, score in zip(queries, others, agreement(templates, luma[queries], starts), strict=True):
            if score >= threshold:
                key = (min(int(i), int(j)), max(int(i), int(j)))
                found[key] = max(found.get(key, 0.0), float(score))
    if progress:
        progress(total, total)
    return sorted((Pair(i, j, s) for (i, j), s in found.items()), key=lambda p: (-p.score, p.first, p.second))


def view(image: npt.NDArray[np.float32], number: int) -> npt.NDArray[np.float32]:
    """Return one of the eight dihedral views of (side, side, ...) by number: bit 0 flips columns, 1 rows, 2 turns."""
    turned = image.swapaxes(0, 1) if number & 4 else image
    turned = turned[::-1] if number & 2 else turned
    return turned[:, ::-1] if number & 1 else turned


def undone(number: int) -> int:
    """Return the number of the view that undoes view `number`."""
    return {5: 6, 6: 5}.get(number, number)


@cache
def area(low: float, high: float, size: int) -> Floats:
    """Return the (size, SIDE) matrix that averages the part `low` to `high` (of 0 to 1) of a side down to `size`."""
    edges = SIDE * (low + (high - low) * np.arange(size + 1) / size)
    pixel = np.arange(SIDE)
    overlap = np.clip(np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel), 0, None)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True), dtype=np.float32)


def _unit(stack: Floats) -> Floats:
    """Return (m, size, size, 3) as (m, size * size * 3) rows of mean 0 in each channel and length 1."""
    pixels = stack.reshape(len(stack), -1, stack.shape[-1])
    cells = pixels.shape[1]
    rows = (pixels - np.matmul(np.full((1, cells), 1 / cells, np.float32), pixels)).reshape(len(stack), -1)
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return np.asarray(rows / (length[:, None] + 1e-3), dtype=np.float32)


def _separable(left: Floats, stack: Floats, right: Floats) -> Floats:
    """Return `left` and `right` applied to the rows and columns of (m, SIDE, SIDE, 3)."""
    rows = np.einsum("ij,mjkc->mikc", left, stack, optimize=True)
    return np.asarray(np.einsum("lk,mikc->milc", right, rows, optimize=True), dtype=np.float32)


def _in_blocks(thumbnails: npt.NDArray[np.uint8], change: Callable[[Floats], Floats], block: int = 256) -> Floats:
    """Return `change` of all thumbnails, worked out a block at a time to bound memory."""
    starts = range(0, len(thumbnails), block)
    return np.concatenate([change(thumbnails[s : s + block].astype(np.float32)) for s in starts])


def _structure(stack: Floats) -> Floats:
    """Return what is left of float (m, SIDE, SIDE, 3) when its coarse shading is taken away."""
    blur = gaussian(SIDE, _STRUCTURE)
    return stack - _separable(blur, stack, blur)


def _alike(thumbnails: npt.NDArray[np.uint8]) -> Iterator[tuple[int, Integers, Integers]]:
    """Yield for each image the images and their views (`view` of the other resembles it) that are most alike."""
    total = len(thumbnails)
    whole, inner = area(0.0, 1.0, COARSE), area(0.05, 0.95, COARSE)
    small = _in_blocks(thumbnails, lambda x: _separable(whole, x, whole))
    cropped = _in_blocks(thumbnails, lambda x: _separable(inner, x, inner))
    rows = _unit(small).T.copy()
    keep = min(NEIGHBOURS, 8 * total - 8)
    block = max(1, min(total, _BLOCK_CELLS // (8 * total)))
    for start in range(0, total, block):
        part = slice(start, start + block)
        similarity = np.empty((len(small[part]), 8, total), dtype=np.float32)
        for number in range(8):
            # an image turned to look like the other: the other, turned back, looks like the image
            turn = undone(number)
            similarity[:, number] = _unit(np.stack([view(x, turn) for x in small[part]])) @ rows
            turned = _unit(np.stack([view(x, turn) for x in cropped[part]])) @ rows
            np.maximum(similarity[:, number], turned, out=similarity[:, number])
        for row, image in enumerate(range(start, start + len(similarity))):
            similarity[row, :, image] = -2.0
            best = np.argpartition(similarity[row].ravel(), -keep)[-keep:]
            yield image, best % total, best // total


def _crops(structure: Floats) -> Floats:
    """Return all 81 crops of float (m, SIDE, SIDE, 3), in the order of `_start`: (m, 81, FINE * FINE * 3) unit rows."""
    sides = np.concatenate([area(a, 1 - b, FINE) for a in CROPS for b in CROPS])
    rows = np.tensordot(sides, structure, axes=(1, 1))
    both = np.tensordot(rows, sides, axes=(2, 1))
    count, spans = len(structure), len(CROPS) ** 2
    grid = both.reshape(spans, FINE, count, 3, spans, FINE).transpose(2, 0, 4, 1, 5, 3)
    return _unit(grid.reshape(-1, FINE, FINE, 3)).reshape(count, spans * spans, -1)


def _start(crop: int) -> Floats:
    """Return a crop as the affine map (2, 3) from the cropped image's coordinates, -1 to 1, to the whole one's."""
    spans = [(a, b) for a in CROPS for b in CROPS]
    (top, bottom), (left, right) = spans[crop // len(spans)], spans[crop % len(spans)]
    return np.array(((1 - left - right, 0, left - right), (0, 1 - top - bottom, top - bottom)), dtype=np.float32)


def _cropped_alike(
    thumbnails: npt.NDArray[np.uint8], progress: Callable[[int, int], None] | None
) -> Iterator[tuple[int, int, int, Floats]]:
    """Yield image, other, view and starting map for the pairs whose best crop is similar enough to be aligned."""
    total = len(thumbnails)
    if total < 2:
        return
    whole = area(0.0, 1.0, FINE)
    fine = _in_blocks(thumbnails, lambda x: _separable(whole, _structure(x), whole))
    crops: Floats = np.empty(0, np.float32)
    for image, others, views in _alike(thumbnails):
        if image % _CROPPED == 0:
            crops = _crops(_structure(thumbnails[image : image + _CROPPED].astype(np.float32)))
            if progress:
                progress(image, total)
        turned = np.stack([view(fine[j], int(v)) for j, v in zip(others, views, strict=True)])
        similarity = _unit(turned) @ crops[image % _CROPPED].T
        best = similarity.argmax(axis=1)
        for row in np.flatnonzero(similarity.max(axis=1) >= CROP_SIMILARITY):
            yield image, int(others[row]), int(views[row]), _start(int(best[row]))


def _batched(
    pairs: Iterator[tuple[int, int, int, Floats]], size: int = 64
) -> Iterator[tuple[Integers, Integers, Integers, Floats]]:
    """Yield pairs as arrays of at most `size`: images, others, views, starting maps (size, 2, 3)."""
    held: list[tuple[int, int, int, Floats]] = []
    for pair in pairs:
        held.append(pair)
        if len(held) == size:
            yield _columns(held)
            held = []
    if held:
        yield _columns(held)


def _columns(held: list[tuple[int, int, int, Floats]]) -> tuple[Integers, Integers, Integers, Floats]:
    """Return rows as columns."""
    images, others, views, starts = zip(*held, strict=True)
    return np.array(images), np.array(others), np.array(views), np.stack(starts)
