"""The nine numbers measure what they are named after."""

from __future__ import annotations

import numpy as np
import pytest

from lesionlab.models.appearance import STATISTICS, statistics

RNG = np.random.default_rng(0)
SKIN = np.full((224, 224, 3), (200, 150, 120), np.uint8)


def changed(image: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Return how the other image's statistics differ."""
    first, second = statistics(np.stack([image, other]))
    return dict(zip(STATISTICS, (second - first).tolist(), strict=True))


@pytest.mark.parametrize("size", [32, 64, 100, 224, 300])
@pytest.mark.parametrize("kind", ["black", "white", "noise", "half"])
def test_every_image_has_finite_statistics(size: int, kind: str) -> None:
    image = np.full((size, size, 3), 255 * (kind == "white"), np.uint8)
    if kind == "noise":
        image = RNG.integers(0, 256, image.shape, dtype=np.uint8)
    if kind == "half":
        image[:, : size // 2] = 255
    found = statistics(image[None])
    assert found.shape == (1, len(STATISTICS)) and np.isfinite(found).all()


def test_no_images_have_no_statistics() -> None:
    assert statistics(SKIN[None][:0]).shape == (0, 9)


def test_brightness_and_colour() -> None:
    darker = changed(SKIN, (SKIN // 2).astype(np.uint8))
    assert darker["brightness"] == pytest.approx(np.log(0.5), abs=0.05)
    assert darker["green_to_blue"] == pytest.approx(0, abs=0.03)
    bluer = changed(SKIN, SKIN[..., [0, 2, 1]])
    assert bluer["green_to_blue"] == pytest.approx(2 * np.log(120 / 150), abs=0.03) and bluer["warm"] == 0
    assert changed(SKIN, SKIN[..., ::-1])["warm"] == -1


def test_detail_is_told_by_its_scale() -> None:
    noisy = SKIN + RNG.integers(-20, 20, SKIN.shape[:2])[..., None]
    fine = changed(SKIN, noisy.astype(np.uint8))
    assert fine["finest_to_fine"] > 1 and fine["finest_to_fine"] + fine["fine"] > fine["coarse"] + 1
    patches = np.kron(RNG.integers(-20, 20, (14, 14)), np.ones((16, 16)))
    coarse = changed(SKIN, (SKIN + patches[..., None]).astype(np.uint8))
    assert coarse["coarse"] > coarse["fine"] and coarse["coarse"] > fine["coarse"] + 1


def test_the_border_is_compared_with_the_centre() -> None:
    lesion = SKIN.copy()
    lesion[70:154, 70:154] = SKIN[0, 0] // 2
    assert changed(SKIN, lesion)["border"] < -0.3


def test_black_corners_hardly_count() -> None:
    y, x = np.mgrid[:224, :224] / 224 - 0.5
    cornered = SKIN * ((x**2 + y**2) < 0.3)[..., None].astype(np.uint8)
    found = changed(SKIN, cornered)
    assert abs(found["brightness"]) < 0.05 and abs(found["green_to_blue"]) < 0.05 and abs(found["warm"]) < 0.05
