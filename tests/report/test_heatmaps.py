"""Overlays: what they leave alone, and what they cover."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from lesionlab.report.heatmaps import LETTERS, MARGIN, OPACITY, SIDE, _free_name, overlay, sheet, shrink, wrapped


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


def test_a_sheet_holds_the_pictures_as_they_are_under_their_titles(tmp_path: Path) -> None:
    images = [np.full((90, 300, 3), (shade, 0, 0), np.uint8) for shade in (40, 80, 120)]  # letters are grey
    sheet(images, ["one", "a title of many words " * 5, "three"], tmp_path / "new" / "page.png", columns=2)
    page = np.asarray(Image.open(tmp_path / "new" / "page.png"))
    for shade in (40, 80, 120):
        rows, columns = np.nonzero((page == (shade, 0, 0)).all(axis=2))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1, len(rows)) == (90, 300, 90 * 300)
    assert page.shape[1] == 2 * (300 + MARGIN) + MARGIN
    assert (page[MARGIN : MARGIN + LETTERS, MARGIN:] < 128).any(), "letters above"


def test_titles_are_wrapped_to_the_width() -> None:
    font = ImageFont.load_default(LETTERS)
    text = "ISIC_0034321_" * 8 + " naevus, 98%"
    lines = wrapped(text, font, 200).split("\n")
    assert max(font.getlength(line) for line in lines) <= 200
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped("short title", font, 200) == "short title"
    assert wrapped("", font, 200) == ""


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    sheet([np.full((30, 40, 3), (90, 0, 0), np.uint8)], ["small"], tmp_path / "page.png", columns=2)
    rows, columns = np.nonzero((np.asarray(Image.open(tmp_path / "page.png")) == (90, 0, 0)).all(axis=2))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (SIDE * 3 // 8, SIDE // 2)
