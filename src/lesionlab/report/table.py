"""Tables for people: the same cells go to HTML and Markdown, the numbers behind them to CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionlab.data.cases import write_rows

NONE = "–"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    kind : "number", "ours" (a figure of this study), "outside" (a difference that its interval does not explain),
    "missing" (a reason instead of a figure), or "". note : its interval, set smaller. rows, columns : how many it
    spans. link : id of an element of the page.
    """

    text: str
    kind: str = ""
    note: str = ""
    rows: int = 1
    columns: int = 1
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table as people read it, and `records`, the unrounded numbers for its CSV.

    name : its file's name and its id in the page; rows : the cells, without those that a spanning cell covers.
    """

    name: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    records: tuple[Mapping[str, Any], ...]

    @property
    def flush_right(self) -> tuple[bool, ...]:
        """Whether each column holds numbers."""
        lines = self.grid()
        return tuple(
            any(cell is not None and cell.kind in ("number", "ours", "outside") for cell in column)
            for column in zip(*lines, strict=True)
        )

    def grid(self) -> list[list[Cell | None]]:
        """Return the full rectangle of cells; a spanning cell stands in its first place, None in the others."""
        lines: list[list[Cell | None]] = [[None] * len(self.columns) for _ in self.rows]
        covered: set[tuple[int, int]] = set()
        for i, cells in enumerate(self.rows):
            for cell in cells:
                j = next(place for place in range(len(self.columns)) if (i, place) not in covered)
                covered |= {(i + down, j + right) for down in range(cell.rows) for right in range(cell.columns)}
                lines[i][j] = cell
        return lines


def write_table(path: Path, table: Table) -> None:
    """Write a table's records as CSV, atomically: numbers unrounded, what is undefined empty."""
    columns = list(dict.fromkeys(name for record in table.records for name in record))
    write_rows(path, columns, ([record.get(name) for name in columns] for record in table.records))


def number(value: float | None, digits: int = 3) -> str:
    """Return a share as text, a dash for None."""
    return NONE if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a difference with its sign (a true minus; what rounds to 0 has a plus), a dash for None."""
    return NONE if value is None else f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def interval(figure: Mapping[str, float | None], digits: int = 3, missing: str = NONE) -> str:
    """Return "[0.812, 0.855]" of {value, low, high}, `missing` where there is no interval."""
    low, high = figure["low"], figure["high"]
    return missing if low is None or high is None else f"[{low:.{digits}f}, {high:.{digits}f}]".replace("-", "−")


def texts(values: Iterable[object], kind: str = "") -> tuple[Cell, ...]:
    """Return one plain cell per value."""
    return tuple(Cell(str(value), kind) for value in values)


def sure(figure: Mapping[str, float | None]) -> bool:
    """Return whether the interval of a difference {value, low, high} excludes 0."""
    low, high = figure["low"], figure["high"]
    return low is not None and high is not None and not low <= 0 <= high
