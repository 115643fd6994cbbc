"""The steps of the search for copies: views, crops, alignment, agreement."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lesionlab.data import duplicates
from lesionlab.data.alignment import agreement
from lesionlab.data.duplicates import SIDE, Pair, area, near_duplicates, undone, view


def textured(seed: int, side: int = SIDE) -> np.ndarray:
    """Noise of all grains, uint8 (side, side, 3); another for each seed."""
    rng = np.random.default_rng(seed)
    layers = np.zeros((side, side, 3))
    for cells, strength in ((4, 40), (16, 25), (32, 15)):
        coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
        layers += strength * np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))[..., None]
    return (128 + layers).clip(0, 255).astype(np.uint8)


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX))


@pytest.mark.parametrize("number", range(8))
def test_views_are_all_different_and_undone(number: int) -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)[:, :3]
    assert sum(np.array_equal(view(image, number), view(image, other)) for other in range(8)) == 1
    np.testing.assert_array_equal(view(view(image, number), undone(number)), image)


def test_area_averages_the_part_named() -> None:
    ramp = np.arange(SIDE, dtype=np.float32)
    np.testing.assert_allclose(area(0.0, 1.0, 8) @ ramp, ramp.reshape(8, 8).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(area(0.25, 0.75, 4) @ ramp, ramp[16:48].reshape(4, 8).mean(axis=1), rtol=1e-5)


def test_crops_and_starting_maps_belong_together() -> None:
    # the crop of a ramp tells by its ends where it was cut; its map must say the same
    x = np.broadcast_to(np.linspace(-1, 1, SIDE, dtype=np.float32), (SIDE, SIDE))
    ramp = np.stack([x, x.T, 0 * x], axis=-1)
    spans = [(a, b) for a in duplicates.CROPS for b in duplicates.CROPS]
    for crop in (0, 5, 29, 80):
        (top, bottom), (left, right) = spans[crop // 9], spans[crop % 9]
        cut = area(top, 1 - bottom, 16) @ ramp[..., 1] @ area(left, 1 - right, 16).T
        across = area(top, 1 - bottom, 16) @ ramp[..., 0] @ area(left, 1 - right, 16).T
        start = duplicates._start(crop)
        np.testing.assert_allclose((across[0, 0] + across[0, -1]) / 2, start[0, 2], atol=0.02)
        np.testing.assert_allclose((cut[0, 0] + cut[-1, 0]) / 2, start[1, 2], atol=0.02)
        flat = duplicates._crops(ramp[None])[0, crop].reshape(16, 16, 3)
        expected = np.stack([across, cut, 0 * cut], axis=-1)
        expected -= expected.mean(axis=(0, 1))
        np.testing.assert_allclose(flat, expected / np.linalg.norm(expected), atol=1e-3)


def test_alignment_finds_a_shift_and_zoom() -> None:
    large = textured(1, 256)
    whole, part = thumbnail(large), thumbnail(large[10:236, 14:250])
    template, image = (x[None].astype(np.float32).mean(axis=3) for x in (part, whole))
    identity = np.array([[[1, 0, 0], [0, 1, 0]]], dtype=np.float32)
    assert agreement(template, image, identity)[0] > 0.75
    assert agreement(template, template, identity)[0] > 0.999
    other = thumbnail(textured(2, 256))[None].astype(np.float32).mean(axis=3)
    assert agreement(template, other, identity)[0] < 0.3


def test_a_shared_dark_rim_makes_no_duplicate() -> None:
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    light = np.clip((0.95 - np.hypot(x, y)) * 12, 0, 1)[..., None]
    stack = np.stack([(textured(seed) * light).astype(np.uint8) for seed in range(12)])
    assert near_duplicates(stack) == []
    copied = np.concatenate([stack, stack[3:4, ::-1]])
    assert [(pair.first, pair.second) for pair in near_duplicates(copied)] == [(3, 12)]


def test_every_view_of_an_image_is_its_copy() -> None:
    stack = np.stack([np.ascontiguousarray(view(textured(1), number)) for number in range(8)])
    found = near_duplicates(np.concatenate([stack, textured(2)[None]]))
    assert {(pair.first, pair.second) for pair in found} == {(a, b) for a in range(8) for b in range(a + 1, 8)}
    assert found == sorted(found, key=lambda pair: -pair.score)
    assert isinstance(found[0], Pair)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    large = [textured(seed, 256) for seed in range(20)]
    stack = np.stack([thumbnail(x) for x in large] + [thumbnail(x[9:250, 20:245]) for x in large[:6]])
    whole = near_duplicates(stack)
    assert {(pair.first, pair.second) for pair in whole} == {(n, 20 + n) for n in range(6)}
    monkeypatch.setattr(duplicates, "_BLOCK_CELLS", 8 * 26 * 3)
    monkeypatch.setattr(duplicates, "_CROPPED", 4)
    parts = near_duplicates(stack)
    assert [(p.first, p.second) for p in parts] == [(p.first, p.second) for p in whole]
    np.testing.assert_allclose([p.score for p in parts], [p.score for p in whole], atol=1e-3)


def test_no_images_no_pairs() -> None:
    assert near_duplicates(np.zeros((0, SIDE, SIDE, 3), dtype=np.uint8)) == []
