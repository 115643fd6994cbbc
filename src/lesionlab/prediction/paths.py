"""What a command's PATH arguments mean: files, folders, patterns, tables of images, and `-` for a list on stdin."""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data.cases import CELL_LIMIT, unguard
from lesionlab.data.images import IMAGE_SUFFIXES
from lesionlab.errors import DataError, some


@dataclass(frozen=True)
class Entry:
    """An image to answer: its name, which is the file's without suffix unless a table says another, and its file."""

    image_id: str
    path: Path


def find_images(arguments: Iterable[str]) -> list[Path]:
    """Return the files of `list_images`; raises as it does."""
    return [entry.path for entry in list_images(arguments)]


def list_images(arguments: Iterable[str]) -> Iterator[Entry]:
    """Yield the images that the arguments name, each file once, in the order of the arguments.

    A file is taken whatever its suffix; a folder stands for every file below it with a suffix of an image, by
    name, hidden ones and linked folders left out; a pattern (`*`, `?`, `[...]`, `**`) for what it matches; a .csv for
    the images of its column `path`, called by its column `image_id` where it has one; `-` for the paths on standard
    input, one a line. What does not exist, and a folder without images, is given as it is, to be refused by name
    beside the answers of the others. Of all this no more is held in memory than the names in one folder.

    Raises `DataError` at the end when no argument led to a file, and for a table that cannot be read.
    """
    given = list(arguments)
    found = False
    for entry in _each_once(entry for argument in given for entry in _expand(argument)):
        found = found or entry.path.is_file()
        yield entry
    if not found:
        named = some(given, 3)
        raise DataError(f"no image found in: {named or 'nothing'}", "name image files, folders or patterns")


def _each_once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Pass on the first entry of each path; the paths seen are in a temporary file of SQLite's, not in memory."""
    with contextlib.closing(sqlite3.connect("")) as seen:
        seen.execute("CREATE TABLE seen (path BLOB PRIMARY KEY) WITHOUT ROWID")
        for entry in entries:
            if seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (os.fsencode(entry.path),)).rowcount:
                yield entry


def _expand(argument: str) -> Iterator[Entry]:
    """Yield what one argument stands for."""
    path = Path(argument)
    if argument == "-":
        for line in sys.stdin.buffer:
            if name := os.fsdecode(line.rstrip(b"\r\n")):
                yield from _folder_or_file(Path(name))
    elif path.suffix.lower() == ".csv" and path.is_file():
        yield from _table(path)
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        for match in matches or [argument]:
            yield from _folder_or_file(Path(match))
    else:
        yield from _folder_or_file(path)


def _folder_or_file(path: Path) -> Iterator[Entry]:
    """Yield the images below a folder, or the path itself where it is none or has none."""
    empty = True
    for image in _images_below(path) if path.is_dir() else ():
        empty = False
        yield Entry(image.stem, image)
    if empty:
        yield Entry(path.stem, path)


def _images_below(folder: Path) -> Iterator[Path]:
    """Yield the image files below `folder`, folder by folder, by name."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(place, name)


def _table(table: Path) -> Iterator[Entry]:
    """Yield the images of a CSV, a row at a time; relative paths are taken from the table's own folder.

    Names of files that are no UTF-8 keep their bytes. Raises `DataError` for a table that cannot be read, without a
    column path, or with a row that tells no path.
    """
    try:
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            if "path" not in header:
                raise DataError(f"{table}: no table of images", "it needs a header row with a column path")
            for cells in reader:
                if cells:
                    yield _entry(table, f"{table}, line {reader.line_num}", header, cells)
    except csv.Error as error:
        raise DataError(f"{table}, line {reader.line_num}: {error}", "save the file as plain CSV") from None
    except OSError as error:
        raise DataError(f"{table}: cannot read: {error.strerror}", "check the path") from None


def _entry(table: Path, where: str, header: list[str], cells: list[str]) -> Entry:
    if len(cells) != len(header):
        raise DataError(f"{where}: {len(cells)} cells for {len(header)} columns", "mend the row")
    row = {name: unguard(cell) for name, cell in zip(header, cells, strict=True)}
    if not 0 < len(row["path"]) <= CELL_LIMIT or "\0" in row["path"]:
        raise DataError(f"{where}: its path is empty or cannot be one", "mend the row")
    path = table.parent / row["path"]
    return Entry(row.get("image_id", "").strip() or path.stem, path)
