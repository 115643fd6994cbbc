"""Lesion masks: found by name, read as they are, refused when they are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.data.masks import find_masks, load_mask
from lesionlab.data.sources import load_source
from lesionlab.errors import DataError, ImageError


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def half(height: int = 60, width: int = 80, high: int = 255) -> np.ndarray:
    """Return a mask whose right half is the lesion."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, width // 2 :] = high
    return pixels


def test_every_synthetic_image_has_a_mask(synthetic: Path) -> None:
    ids = [case.image_id for case in load_source(synthetic).cases]
    found = find_masks(synthetic, ids)
    assert sorted(found) == sorted(ids)
    assert all(path == synthetic / "masks" / f"{image_id}_segmentation.png" for image_id, path in found.items())
    masks = np.stack([load_mask(path, 32) for path in found.values()])
    assert masks.shape == (len(ids), 32, 32) and masks.dtype == bool
    assert 0.02 < masks.mean() < 0.9


def test_masks_lie_in_any_folder(tmp_path: Path) -> None:
    deep = write(tmp_path / "a" / "b" / "x_segmentation.PNG", half())
    write(tmp_path / "c" / "x_segmentation.png", half())
    write(tmp_path / "a" / "x.png", half())
    assert find_masks(tmp_path, ["x", "y"]) == {"x": deep}


def test_no_mask_at_all(tmp_path: Path) -> None:
    write(tmp_path / "x.png", half())
    with pytest.raises(DataError, match="no mask of any of the 1 images"):
        find_masks(tmp_path, ["x"])
    with pytest.raises(DataError, match="no such folder"):
        find_masks(tmp_path / "none", ["x"])


@pytest.mark.parametrize("high", [1, 255])
def test_the_lesion_is_what_is_bright(tmp_path: Path, high: int) -> None:
    mask = load_mask(write(tmp_path / "m.png", half(high=high)), 40)
    assert mask[:, 20:].all() and not mask[:, :20].any()


def test_one_bit_masks(tmp_path: Path) -> None:
    Image.fromarray(half()).convert("1").save(tmp_path / "m.png")
    assert load_mask(tmp_path / "m.png", 40).mean() == 0.5


def test_no_masks(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    small = np.zeros((320, 320), np.uint8)
    small[7:9, 7:9] = 255
    (tmp_path / "text.png").write_text("no image")
    for name, pixels, words in (
        ("empty.png", np.zeros((60, 80), np.uint8), "the mask is empty"),
        ("photograph.png", photograph, "no mask"),
        ("small.png", small, "nothing is left"),
    ):
        with pytest.raises(DataError, match=words):
            load_mask(write(tmp_path / name, pixels), 32)
    for name in ("text.png", "missing.png"):
        with pytest.raises(ImageError, match=name):
            load_mask(tmp_path / name, 32)
