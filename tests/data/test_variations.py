"""The small changes: each goes its own way, and none goes far."""

from __future__ import annotations

import numpy as np
import pytest

from lesionlab.data.corruptions import Pixels
from lesionlab.data.variations import VARIATIONS, vary


@pytest.fixture
def images() -> Pixels:
    """Two images of smooth colours with some grain, uint8 (2, 96, 96, 3)."""
    y, x = np.mgrid[0:1:96j, 0:1:96j]
    plane = np.stack([150 + 60 * x, 110 + 60 * y, 100 + 50 * x * y], axis=-1)
    grain = np.random.default_rng(0).normal(0, 6, (2, 96, 96, 3))
    return np.clip(plane + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", VARIATIONS)
def test_small_but_there(images: Pixels, name: str) -> None:
    found = vary(images, name)
    assert found.shape == images.shape and found.dtype == np.uint8
    apart = np.abs(found.astype(int) - images)
    assert 0.1 < apart.mean() < 12
    np.testing.assert_array_equal(vary(images[1:], name), found[1:])


def test_ten_of_them() -> None:
    assert len(VARIATIONS) == 10


def test_light_and_colour(images: Pixels) -> None:
    mean, spread = images.mean(), images.std()
    assert vary(images, "brighter").mean() > mean > vary(images, "darker").mean()
    assert vary(images, "more contrast").std() > spread > vary(images, "less contrast").std()

    def warmth(pixels: Pixels) -> float:
        return float(pixels[..., 0].mean() - pixels[..., 2].mean())

    assert warmth(vary(images, "warmer")) > warmth(images) > warmth(vary(images, "cooler"))

    def saturation(pixels: Pixels) -> float:
        return float((pixels.max(-1).astype(int) - pixels.min(-1)).mean())

    assert saturation(vary(images, "more colour")) > saturation(images) > saturation(vary(images, "less colour"))


def test_focus(images: Pixels) -> None:
    def detail(pixels: Pixels) -> float:
        return float(np.abs(np.diff(pixels.astype(int), axis=2)).mean())

    assert detail(vary(images, "sharper")) > detail(images) > detail(vary(images, "softer"))


def test_another_name(images: Pixels) -> None:
    with pytest.raises(ValueError, match="warmest"):
        vary(images, "warmest")
