"""Bring two thumbnails to cover and say how well they agree, for many pairs at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

LEVELS = ((16, 6), (32, 5), (64, 5))
"""Pixels a side and number of steps of each level of the alignment, coarse to fine."""

PROMISING = 0.5
"""Least agreement at the middle level for a pair to be aligned at the finest."""

TILES = 4
DETAIL = 1.25
"""Sigma in pixels below which structure counts as detail, at the level where it is compared."""

FLAT = 0.3
"""Grey levels of detail (root mean square, after clipping) below which a tile says nothing."""


@cache
def gaussian(side: int, sigma: float) -> Floats:
    """Return the (side, side) matrix that blurs along one side; its rows sum to 1."""
    distance = np.subtract.outer(np.arange(side), np.arange(side))
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def agreement(templates: Floats, images: Floats, maps: Floats) -> Floats:
    """Return how well each image, once aligned, agrees with its template in detail: float (m,), 1 for a copy.

    The mean over 4 x 4 tiles of the correlation of detail, so that one strong feature that unrelated
    images share (a dark rim, a ruler) does not decide. 0 where alignment fails, asks for more than a
    crop (scale outside 0.7 to 1.2, shear over 0.1, rotation over 0.2 rad) or fewer than 4 tiles have detail.

    Parameters
    ----------
    templates, images : float (m, 64, 64) luma, 0 to 255.
    maps : (m, 2, 3) affine maps to start from, template coordinates (x, y in -1 to 1) to image coordinates.
    """
    scores = np.zeros(len(templates), dtype=np.float32)
    open_pairs = np.arange(len(templates))
    maps = maps.astype(np.float32)
    for side, steps in LEVELS:
        template, image = (_shrunk(stack[open_pairs], side) for stack in (templates, images))
        maps = _aligned(_band(template), _band(image), maps, steps)
        if side == LEVELS[0][0]:
            continue
        found = np.where(_plausible(maps), _detail_agreement(template, image, maps), 0.0)
        if side == LEVELS[-1][0]:
            scores[open_pairs] = found
        open_pairs, maps = open_pairs[found >= PROMISING], maps[found >= PROMISING]
        if not len(open_pairs):
            break
    return scores


def _shrunk(stack: Floats, side: int) -> Floats:
    """Return (m, 64, 64) at side x side by area averaging."""
    step = stack.shape[1] // side
    return np.asarray(stack.reshape(len(stack), side, step, side, step).mean(axis=(2, 4)), dtype=np.float32)


def _blurred(stack: Floats, sigma: float) -> Floats:
    """Return (m, side, side) blurred along both sides."""
    blur = gaussian(stack.shape[1], sigma)
    return np.asarray(np.matmul(np.matmul(blur, stack), blur.T), dtype=np.float32)


def _band(stack: Floats) -> Floats:
    """Return the structure between half a pixel and three pixels: what this level is aligned by."""
    return _blurred(stack, 0.5) - _blurred(stack, 3.0)


@cache
def _coordinates(side: int) -> tuple[Floats, Floats]:
    """Return x and y, (side, side), of pixel centres in -1 to 1."""
    centres = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(centres, centres)
    return x, y


def _warped(images: Floats, maps: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return images (m, side, side) seen through the maps, bilinear, and which pixels lie inside."""
    count, side, _ = images.shape
    x, y = _coordinates(side)
    a = maps[:, :, :, None, None]
    u = (a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2] + 1) * (side / 2) - 0.5
    v = (a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2] + 1) * (side / 2) - 0.5
    inside = (u > -0.6) & (u < side - 0.4) & (v > -0.6) & (v < side - 0.4)
    np.clip(u, 0, side - 1.001, out=u)
    np.clip(v, 0, side - 1.001, out=v)
    column, row = u.astype(np.int32), v.astype(np.int32)
    fu, fv = u - column, v - row
    at = row * side + column + (np.arange(count, dtype=np.int32) * side * side)[:, None, None]
    flat = images.ravel()
    upper = flat[at] * (1 - fu) + flat[at + 1] * fu
    lower = flat[at + side] * (1 - fu) + flat[at + side + 1] * fu
    return upper * (1 - fv) + lower * fv, inside


def _aligned(templates: Floats, images: Floats, maps: Floats, steps: int) -> Floats:
    """Return the maps improved by inverse compositional least squares with gain and offset.

    Baker & Matthews, "Lucas-Kanade 20 years on", IJCV 56 (2004), section 3.2.
    """
    count, side, _ = templates.shape
    x, y = _coordinates(side)
    down, across = np.gradient(templates, axis=(1, 2))
    down, across = down * (side / 2), across * (side / 2)
    columns = (across * x, across * y, across, down * x, down * y, down, templates, np.ones_like(templates))
    slopes = np.stack(columns, axis=-1).reshape(count, -1, 8)
    transposed = np.ascontiguousarray(slopes.transpose(0, 2, 1))
    curvature = np.linalg.inv(transposed @ slopes + 1e-3 * np.eye(8, dtype=np.float32))
    bottom = np.broadcast_to(np.array((0, 0, 1), np.float32), (count, 1, 3))
    for _ in range(steps):
        seen, inside = _warped(images, maps)
        change = curvature @ (transposed @ ((seen - templates) * inside).reshape(count, -1, 1))
        step = np.concatenate((change[:, :6, 0].reshape(count, 2, 3), np.zeros_like(bottom)), axis=1)
        whole = np.concatenate((maps, bottom), axis=1) @ _inverse(step + np.eye(3, dtype=np.float32))
        maps = np.clip(np.nan_to_num(whole[:, :2]), -2, 2).astype(np.float32)
    return maps


def _inverse(steps: Floats) -> Floats:
    """Return the inverse of affine maps (m, 3, 3); the map that changes nothing where one has none."""
    sound = np.isfinite(steps).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(steps))) > 0.1)
    safe = np.where(sound[:, None, None], steps, np.eye(3, dtype=np.float32))
    return np.asarray(np.linalg.inv(safe), dtype=np.float32)


def _plausible(maps: Floats) -> npt.NDArray[np.bool_]:
    """Return which maps are a crop with at most a little turning and stretching: bool (m,)."""
    first, second = maps[:, :, 0], maps[:, :, 1]
    width, height = np.linalg.norm(first, axis=1) + 1e-6, np.linalg.norm(second, axis=1) + 1e-6
    shear = np.abs((first * second).sum(axis=1)) / (width * height)
    turn = np.abs(first[:, 1]) / width
    scaled = (np.minimum(width, height) > 0.7) & (np.maximum(width, height) < 1.2)
    return np.asarray(scaled & (first[:, 0] > 0) & (second[:, 1] > 0) & (shear < 0.1) & (turn < 0.2))


def _detail_agreement(templates: Floats, images: Floats, maps: Floats) -> Floats:
    """Return the mean over tiles of the correlation of detail between templates and aligned images: (m,)."""
    seen, inside = _warped(images, maps)
    a, b = _detail(templates), _detail(seen)
    power_a, power_b = (a * a).mean(axis=2), (b * b).mean(axis=2)
    correlation = (a * b).mean(axis=2) / np.sqrt(power_a * power_b + 1e-6)
    counts = (_tiles(inside).mean(axis=2) > 0.8) & (np.maximum(power_a, power_b) > FLAT**2)
    tiles = counts.sum(axis=1)
    mean = (correlation * counts).sum(axis=1) / np.maximum(tiles, 1)
    return np.where(tiles >= TILES, mean, 0.0).astype(np.float32)


def _detail(stack: Floats) -> Floats:
    """Return the detail of (m, side, side) by tiles, (m, 16, pixels), of mean 0 and clipped.

    Clipped at each tile's usual strength (median), so that a lesion's border or a dark rim weighs no
    more than the texture beside it: unrelated images share borders and rims, but no texture.
    """
    tiles = _tiles(stack - _blurred(stack, DETAIL))
    tiles = tiles - tiles.mean(axis=2, keepdims=True)
    usual = 1.48 * np.median(np.abs(tiles), axis=2, keepdims=True) + FLAT
    return np.asarray(np.clip(tiles, -usual, usual), dtype=np.float32)


def _tiles(stack: npt.NDArray[np.generic]) -> Floats:
    """Return (m, side, side) as (m, 16, pixels of a tile)."""
    count, side, _ = stack.shape
    cut = stack.reshape(count, TILES, side // TILES, TILES, side // TILES).transpose(0, 1, 3, 2, 4)
    return cut.reshape(count, TILES * TILES, -1).astype(np.float32)
