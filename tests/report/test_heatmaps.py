"""Overlays: what they leave alone, and what they cover."""

from __future__ import annotations

import numpy as np
from PIL import Image

from lesionlab.report.heatmaps import OPACITY, SIDE, _free_name, overlay, shrink


def test_an_empty_map_leaves_the_photograph_as_it_is() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    assert np.array_equal(overlay(photograph, np.zeros((8, 8), np.float32)), photograph)


def test_the_map_covers_where_it_is_strong() -> None:
    """A map whose right half is 1, over a photograph of another shape, changes the right half only."""
    photograph = np.full((60, 80, 3), 100, np.uint8)
    heat = np.zeros((16, 16), np.float32)
    heat[:, 8:] = 1
    drawn = overlay(photograph, heat).astype(int)
    assert drawn.shape == photograph.shape
    assert np.array_equal(drawn[:, :35], photograph[:, :35])
    yellow = 100 * (1 - OPACITY) + OPACITY * np.array([253, 231, 37])
    assert np.abs(drawn[:, 46:] - yellow).max() <= 1


def test_photographs_are_drawn_in_their_own_shape() -> None:
    assert shrink(Image.new("RGB", (2400, 1800))).shape == (SIDE * 3 // 4, SIDE, 3)
    assert shrink(Image.new("RGB", (40, 30))).shape == (30, 40, 3)


def test_images_of_one_name_get_a_picture_each() -> None:
    taken: set[str] = set()
    assert [_free_name("a_mel", taken) for _ in range(3)] == ["a_mel", "a_mel_2", "a_mel_3"]
