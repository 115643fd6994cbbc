"""One look through a source: its images by name, and the tables that may tell their diagnoses."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from lesionlab.data.images import IMAGE_SUFFIXES
from lesionlab.errors import DataError

TABLE_SUFFIXES = frozenset((".csv", ".tab", ".tsv"))
TABLE_DEPTH = 2
"""How many folders down a metadata table is looked for; images are looked for at any depth."""

NO_IMAGES = ("_segmentation", "_superpixels")
"""Endings of lesion masks and other companions of images, which are no images themselves."""

HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class Table:
    """A CSV file and the names in its first row."""

    path: Path
    header: tuple[str, ...]
    depth: int


@dataclass
class Contents:
    """What one walk through a source found: images by file name without suffix, and tables near the top."""

    folder: Path
    images: dict[str, Path] = field(default_factory=dict)
    copies: list[Path] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def image(self, image_id: str) -> Path | None:
        """Return the file of an image, named with or without its suffix."""
        stem, dot, suffix = image_id.rpartition(".")
        named = self.images.get(stem) if dot + suffix.lower() in IMAGE_SUFFIXES else None
        return self.images.get(image_id) or named

    def table(self, fits: Callable[[Table], bool], what: str, columns: Iterable[str]) -> Table:
        """Return the table nearest the top that fits, or the only table there is.

        Raises `DataError` when there is none, or when several different ones lie at the same depth.
        """
        fitting = [table for table in self.tables if fits(table)]
        nearest = [table for table in fitting if table.depth == min(t.depth for t in fitting)]
        chosen = nearest or self.tables
        if not chosen or (not nearest and len(chosen) > 1):
            raise DataError(f"{self.folder}: no {what}", f"a CSV file with the columns {','.join(columns)} is needed")
        if any(other.path.read_bytes() != chosen[0].path.read_bytes() for other in chosen[1:]):
            names = ", ".join(str(table.path) for table in chosen)
            raise DataError(f"{self.folder}: more than one {what}: {names}", "name the one to read as the source")
        return chosen[0]


def scan(source: Path) -> Contents:
    """Walk through a source once; hidden files, `__MACOSX` and lesion masks are left out.

    A CSV file as source stands for its folder (for the folder above where its own has no images),
    read with this one table. Raises `DataError` for a source that is missing or holds no files.
    """
    if source.is_file():
        if source.suffix.lower() not in TABLE_SUFFIXES:
            raise DataError(f"{source}: not a folder and not a CSV file", "name a folder of images or a CSV table")
        contents = _walk(source.parent)
        contents = contents if contents.images else _walk(source.absolute().parent.parent)
        return replace(contents, tables=[Table(source, _header(source), 0)])
    if not source.is_dir():
        raise DataError(f"{source}: no such folder", "check the path, or fetch data with: lesionlab data download")
    contents = _walk(source)
    if not contents.images and not contents.tables:
        raise DataError(f"{source}: holds no images and no table", "name the folder that holds the images")
    return contents


def _walk(folder: Path) -> Contents:
    """Index one folder tree; linked folders are followed, each once."""
    contents = Contents(folder)
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        depth = len(Path(place).relative_to(folder).parts)
        for name in sorted(names):
            if not name.startswith("."):
                _add(contents, place, name, depth)
    return contents


def _add(contents: Contents, place: str, name: str, depth: int) -> None:
    """Add one file to the index, if it is an image or a table."""
    path = Path(place, name)
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        if not path.stem.endswith(NO_IMAGES) and contents.images.setdefault(path.stem, path) is not path:
            contents.copies.append(path)
    elif suffix in TABLE_SUFFIXES and depth <= TABLE_DEPTH:
        contents.tables.append(Table(path, _header(path), depth))


def _unreadable(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot read: {error.strerror}", "check the folder's permissions") from error


def _header(path: Path) -> tuple[str, ...]:
    """Return the names in the first row; () where that is no text."""
    try:
        with path.open("rb") as file:
            first = file.readline(HEADER_BYTES).decode("utf-8-sig")
        cells = next(csv.reader([first], delimiter="\t" if "\t" in first else ","), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()
    return tuple(cell.strip() for cell in cells)
