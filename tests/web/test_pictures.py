"""Heat maps are transparent where nothing speaks for a diagnosis, and as large as the photograph."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lesionlab.report.heatmaps import COLOURS
from lesionlab.web.pictures import THUMBNAIL, framed, heat_map, thumbnail


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(";base64,")[2])))


def test_a_map_has_viridis_colours_and_covers_by_its_value() -> None:
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (2, 1))
    drawn = opened(heat_map(ramp, (256, 2)))
    assert (drawn.format, drawn.size) == ("PNG", (256, 2))
    rgba = np.asarray(drawn.convert("RGBA"))
    assert (rgba[0, :, 3] == np.arange(256)).all()
    assert tuple(rgba[0, 0, :3]) == COLOURS[0] and tuple(rgba[0, 255, :3]) == COLOURS[-1]
    for step, colour in enumerate(COLOURS):
        assert np.abs(rgba[0, step * 17, :3].astype(int) - colour).max() <= 1


def test_a_map_is_stretched_and_an_empty_one_is_clear() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[:, 4:] = 1
    covers = np.asarray(opened(heat_map(heat, (60, 45))).convert("RGBA"))[..., 3]
    assert covers.shape == (45, 60) and covers[:, :20].max() == 0 and covers[:, -20:].min() == 255
    assert np.asarray(opened(heat_map(heat * 0, (60, 45))).convert("RGBA"))[..., 3].max() == 0


@pytest.mark.parametrize(("size", "expected"), [((2000, 1000), (480, 240)), ((30, 40), (30, 40))])
def test_thumbnails_shrink_and_never_grow(size: tuple[int, int], expected: tuple[int, int]) -> None:
    photograph = Image.new("RGB", size, "white")
    found = thumbnail(photograph)
    assert found.size == expected == opened(found.url).size and max(found.size) <= THUMBNAIL
    assert photograph.size == size


def test_the_frame_is_what_the_model_looks_at() -> None:
    assert framed(Image.new("RGB", (3000, 1000)), 4 / 3).size == (600, 450)
    assert framed(Image.new("RGB", (300, 400)), 4 / 3).size == (400, 300)
