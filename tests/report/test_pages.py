"""Pages of pictures in rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionlab.report.pages import Cell, draw_page

RED = (200, 30, 30)


def red(path: Path) -> np.ndarray:
    """Return where the page is red."""
    return np.abs(np.asarray(Image.open(path).convert("RGB")).astype(int) - RED).max(axis=-1) < 8


def test_a_missing_cell_stays_white(tmp_path: Path) -> None:
    cell = Cell(np.full((30, 40, 3), RED, np.uint8), "one\nmel 93%")
    draw_page([("first", [cell, None]), ("second", [cell, cell])], tmp_path / "page.png", "a title")
    page = red(tmp_path / "page.png")
    first, last = (columns.any(axis=1) for columns in (page[:, : page.shape[1] // 3], page[:, -page.shape[1] // 4 :]))
    assert first.sum() == pytest.approx(2 * last.sum(), abs=2) and last.any()
    assert np.flatnonzero(last).min() > page.shape[0] // 2


def test_the_same_page_is_the_same_file(tmp_path: Path) -> None:
    rows = [("", [Cell(np.full((30, 40, 3), RED, np.uint8), "one")])]
    for name in ("a.png", "b.png"):
        draw_page(rows, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
