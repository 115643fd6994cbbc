"""The report's pages of Grad-CAM maps, taken from OUT/PROTOCOL/gradcam, called after the paper's tables and figures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lesionlab.diagnoses import CODES, NAMES
from lesionlab.report.html import Picture
from lesionlab.study.captions import row_caption, study_caption
from lesionlab.study.pictures import taken
from lesionlab.study.results import Results, Row

FOLDER = "gradcam"

TABLES: dict[str, str] = {"mel": "Table 4", "nv": "Table 5"}

DX = "|".join(CODES)
MAPS = re.compile(rf"maps_for_({'|'.join(TABLES)})_(.+)")
EACH_CLASS = re.compile(r"each_class_(.+)")
MISTAKES = re.compile(rf"mistakes_(?:(.+)_)?({DX})_({DX})")
"""The names of the pages, without suffix: diagnosis and network; row; row and pair."""

IN_ROWS, FIGURE_8, FIGURE_9, WRONG, OTHER = range(5)
"""The places of the pages in the report: the paper's Tables 4 and 5 and its Figures, mistakes, all others."""


@dataclass(frozen=True)
class Page:
    """A page of maps: what it shows in words, the row it is of (None where that is gone), and its place."""

    text: str
    row: Row | None
    place: int


def gradcam(of: Results, folder: Path) -> tuple[list[Picture], list[Picture]]:
    """Take over the pages of maps; return the paper's (Tables 4 and 5, Figures 8 and 9, mistakes) and all others."""
    found = [
        (_page(of, protocol, source.stem), protocol, source)
        for protocol in of.protocols
        for source in sorted((of.folder / protocol / FOLDER).glob("*.png"))
    ]
    papers: list[Picture] = []
    others: list[Picture] = []
    for page, protocol, source in sorted(found, key=lambda one: one[0].place):
        picture = taken(source, folder / f"gradcam_{protocol}_{source.name}", _caption(of, protocol, page))
        (others if page.place == OTHER else papers).append(picture)
    return papers, others


def _page(of: Results, protocol: str, name: str) -> Page:
    """Return what a page shows, by its file's name."""
    if found := MAPS.fullmatch(name):
        return _models_in_rows(of, protocol, *found.groups())
    if found := EACH_CLASS.fullmatch(name):
        return _each_class(of, protocol, found[1])
    if found := MISTAKES.fullmatch(name):
        row = of.row(protocol, found[1]) if found[1] else None
        return Page(f"Mistakes between {found[2]} and {found[3]} (3.4){_of(row)}", row, WRONG)
    return Page(name.replace("_", " ").capitalize(), None, OTHER)


def _models_in_rows(of: Results, protocol: str, dx: str, network: str) -> Page:
    rows = [row for row in of.rows(protocol, "row") if row["recipe"].get("architecture") == network]
    first = of.lead(protocol)
    place = IN_ROWS if first and first["recipe"].get("architecture") == network else OTHER
    text = f"{TABLES[dx]}: Grad-CAM for {NAMES[dx].lower()}, models in rows ({network})"
    return Page(text, rows[0] if rows else None, place)


def _each_class(of: Results, protocol: str, identifier: str) -> Page:
    row, first = of.row(protocol, identifier), of.lead(protocol)
    if first and identifier == first["id"]:
        return Page(f"Figure 8: activation map for each class{_of(row)}", row, FIGURE_8)
    if first and identifier == _twin(of, protocol, first):
        return Page(f"Figure 9: activation map for each class{_of(row)}", row, FIGURE_9)
    return Page(f"Activation map for each class{_of(row)}", row, OTHER)


def mistaken(of: Results, protocol: str) -> list[Row]:
    """Return the rows whose mistakes are shown: the paper's network, the same in grayscale, and the Mix-Model."""
    first = of.lead(protocol)
    names = [first["id"], _twin(of, protocol, first)] if first else []
    names += [mix["id"] for mix in of.designs("mix")[:1]]
    rows = [of.row(protocol, name) for name in names]
    return [row for row in rows if row and row["status"] == "done"]


def _twin(of: Results, protocol: str, row: Row) -> str:
    """Return the id of the row that differs in nothing but that it sees grayscale, "" where none is done."""
    recipe = row["recipe"] | {"colour": "gray"}
    done = [one for one in of.rows(protocol, "row") if one["status"] == "done"]
    return next((str(one["id"]) for one in done if one["recipe"] == recipe), "")


def _of(row: Row | None) -> str:
    return f", {row['label']}" if row else ""


def _caption(of: Results, protocol: str, page: Page) -> str:
    if page.row:
        return f"{page.text}. {row_caption(of, protocol, page.row, images=False)}"
    return f"{page.text}. {study_caption(of)}"
