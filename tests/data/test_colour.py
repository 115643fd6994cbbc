"""Colours: luma as Pillow's, and one light for all."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lesionlab.data import colour
from lesionlab.data.colour import STANDARD_LIGHT, constancy, grayscale, recolour

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 256, (3, 32, 40, 3), dtype=np.uint8)


def skin(light: tuple[float, float, float]) -> np.ndarray:
    """Return a dark spot on bright skin as a light shows it, uint8 (1, 64, 64, 3)."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    shade = 0.35 + 0.45 * (x**2 + y**2 > 0.3)
    return np.rint(shade[None, ..., None] * np.array(light)).astype(np.uint8)


def test_rgb_is_left_alone() -> None:
    assert recolour(STACK, "rgb") is STACK


def test_grayscale_is_pillows_luma_in_three_channels() -> None:
    grey = recolour(STACK, "gray")
    assert grey.shape == STACK.shape
    for image, found in zip(STACK, grey, strict=True):
        luma = np.asarray(Image.fromarray(image).convert("L"))
        np.testing.assert_array_equal(found, np.repeat(luma[..., None], 3, axis=2))


def test_grayscale_of_more_than_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = grayscale(STACK)
    monkeypatch.setattr(colour, "_LUMA_BLOCK", 1000)
    np.testing.assert_array_equal(grayscale(STACK), whole)


def test_constancy_shows_one_lesion_alike_whatever_the_camera() -> None:
    seen = [constancy(skin(light)).astype(int) for light in ((250, 200, 190), (180, 190, 200), (120, 70, 60))]
    for other in seen[1:]:
        assert np.abs(other - seen[0]).max() <= 2


def test_constancy_gives_the_standard_light_and_leaves_it() -> None:
    found = constancy(skin((180, 190, 200)))
    light = ((found / 255) ** 6).mean(axis=(0, 1, 2)) ** (1 / 6) * 255
    np.testing.assert_allclose(light, STANDARD_LIGHT, atol=1)
    assert np.abs(constancy(found).astype(int) - found).max() <= 1


def test_black_corners_hardly_change_the_light() -> None:
    whole = skin((220, 180, 170))
    cut = whole.copy()
    cut[:, :8] = 0
    inside = np.s_[:, 8:]
    assert np.abs(constancy(cut)[inside].astype(int) - constancy(whole)[inside]).max() <= 8


def test_each_image_has_its_own_light_and_is_not_changed_in_place() -> None:
    pair = np.concatenate([skin((250, 200, 190)), skin((120, 70, 60))])
    kept = pair.copy()
    both = constancy(pair)
    np.testing.assert_array_equal(pair, kept)
    np.testing.assert_array_equal(both[1:], constancy(pair[1:]))


def test_black_images_stay_black() -> None:
    assert not constancy(np.zeros((1, 16, 16, 3), np.uint8)).any()
