"""Pages of pictures in rows, each row with its label."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lesionlab.report.figures import LARGE, MEDIUM, SMALL, figure, save

CELL = 1.9
"""Width of one picture, in inches."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cell:
    """One picture of a page and what stands above it."""

    picture: Pixels
    caption: str


def in_lines(cells: Sequence[Cell], across: int) -> list[tuple[str, Sequence[Cell | None]]]:
    """Return pictures as rows of `across` without labels, the last one filled up with None."""
    padded = [*cells, *([None] * (-len(cells) % across))]
    return [("", padded[first : first + across]) for first in range(0, len(padded), across)]


def draw_page(rows: Sequence[tuple[str, Sequence[Cell | None]]], path: Path, title: str = "") -> None:
    """Draw rows of pictures, each row with its label at the left, captions above the pictures, as PNG.

    Where a row has None there is no picture. All rows are equally long.
    """
    cells = [cell for _, row in rows for cell in row if cell]
    tallest = max(cell.picture.shape[0] / cell.picture.shape[1] for cell in cells)
    lines = max(cell.caption.count("\n") + 1 for cell in cells)
    labelled = any(label for label, _ in rows)
    width = len(rows[0][1]) * CELL + (0.5 if labelled else 0)
    drawn = figure(width, len(rows) * (CELL * tallest + 0.12 + 0.17 * lines) + (0.35 if title else 0))
    if title:
        drawn.suptitle(textwrap.fill(title, round(width * 10)), fontsize=LARGE)
    grid = drawn.subplots(len(rows), len(rows[0][1]), squeeze=False)
    for (label, row), places in zip(rows, grid, strict=True):
        for cell, axes in zip(row, places, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if cell:
                axes.imshow(cell.picture)
                axes.set_title(cell.caption, fontsize=SMALL)
        places[0].set_ylabel(textwrap.fill(label, 20), fontsize=MEDIUM - 1)
    save(drawn, path)
