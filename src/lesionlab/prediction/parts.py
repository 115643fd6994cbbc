"""What a bulk run keeps beside its output until that is whole: the listing of its images, and the rows so far.

`results.parquet.parts/` holds `listing.jsonl`, an image a line; `run.json`, what the run was begun with; and parts,
each with the rows of the images `first` to `end` of the listing. A part is written atomically, and begins where the one
before it ends. So the parts that follow each other from 0 on hold the row of each image below their end exactly once,
whenever the run was killed; a part that does not follow another does not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from lesionlab.errors import DataError
from lesionlab.files import atomic, read_json, sweep_partials, write_json, write_text
from lesionlab.prediction.paths import Entry

Row = dict[str, Any]

LISTING, RUN = "listing.jsonl", "run.json"
PART = re.compile(r"part-(\d+)-(\d+)\.jsonl")


def parts_folder(out: Path) -> Path:
    """Return the folder beside an output in which its parts are kept."""
    return out.with_name(f"{out.name}.parts")


class Parts:
    """The parts of one output.

    folder : where they are; the caller holds its lock. count : images in the listing. done : how many have their row.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = self.done = 0
        self._parts: list[tuple[Path, int]] = []

    def open(self, listed: Iterable[Entry], settings: Mapping[str, Any], as_listed: bool = False) -> None:
        """Begin with these images, or go on with a run that was begun with them.

        Parameters
        ----------
        settings : all that answers depend on, as JSON.
        as_listed : go on with the images that the run was begun with, without looking which are listed now.

        Raises `DataError` for a run that was begun with other settings or images, and what `listed` raises.
        """
        sweep_partials(self.folder)
        if not (self.folder / RUN).exists():
            try:
                self._begin(listed, settings)
            except DataError:
                self.remove()
                raise
            return
        begun = read_json(self.folder / RUN)
        self._compare(begun["settings"], settings)
        digest, found = (begun["listing"], begun["images"]) if as_listed else _digest(listed)
        if digest != begun["listing"]:
            raise DataError(
                f"{self.folder}: begun with {begun['images']:,} images that are not the {found:,} listed now",
                f"add --as-listed to go on with those of then, or delete {self.folder} to begin anew",
            )
        self.count = begun["images"]
        self._follow()

    def _begin(self, listed: Iterable[Entry], settings: Mapping[str, Any]) -> None:
        for path in self.folder.glob("part-*"):
            path.unlink()
        with atomic(self.folder / LISTING) as file:
            digest, self.count = _digest(listed, file.write)
        write_json(self.folder / RUN, {"settings": dict(settings), "images": self.count, "listing": digest})

    def _compare(self, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        other = [f"{name} {then.get(name)} then, {now[name]} now" for name in now if then.get(name) != now[name]]
        if other:
            raise DataError(
                f"{self.folder}: begun otherwise: {'; '.join(other)}",
                f"give the same again, or delete {self.folder} to begin anew",
            )

    def _follow(self) -> None:
        """Find the parts that follow each other from 0 on, and delete any other."""
        found = {int(name[1]): (path, int(name[2])) for path, name in self._named()}
        while self.done in found:
            path, end = found.pop(self.done)
            self._parts.append((path, end - self.done))
            self.done = end
        for path, _ in found.values():
            path.unlink()

    def _named(self) -> Iterator[tuple[Path, re.Match[str]]]:
        for path in self.folder.iterdir():
            if name := PART.fullmatch(path.name):
                yield path, name

    def waiting(self) -> Iterator[Entry]:
        """Yield the images that have no row yet, in order."""
        with (self.folder / LISTING).open("rb") as file:
            for line in islice(file, self.done, None):
                yield parse_entry(line)

    def keep(self, rows: list[Row]) -> None:
        """Write the next rows as a part; `DataError` when the disk refuses."""
        if rows:
            end = self.done + len(rows)
            path = self.folder / f"part-{self.done:012}-{end:012}.jsonl"
            write_text(path, "".join(map(format_row, rows)))
            self._parts.append((path, len(rows)))
            self.done = end

    def rows(self) -> Iterator[Row]:
        """Yield all rows, in the order of the listing; `DataError` for a part that is not as it was written."""
        for path, count in self._parts:
            try:
                rows = [parse_row(line) for line in path.read_bytes().splitlines()]
            except (OSError, ValueError):
                rows = []
            if len(rows) != count:
                raise DataError(f"{path}: damaged", "delete it and run the same command, which answers its images anew")
            yield from rows

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def format_entry(entry: Entry) -> bytes:
    """Return an image as a line of the listing, in ASCII: bytes of a name that are no text are kept."""
    return json.dumps([entry.image_id, str(entry.path)]).encode("ascii") + b"\n"


def parse_entry(line: bytes) -> Entry:
    """Undo `format_entry`."""
    image_id, path = json.loads(line)
    return Entry(image_id, Path(path))


def format_row(row: Row) -> str:
    """Return a row as a line of JSON, which is what a table of .jsonl has of it."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def parse_row(line: str | bytes) -> Row:
    """Undo `format_row`."""
    row: Row = json.loads(line)
    return row


def _digest(listed: Iterable[Entry], write: Callable[[bytes], object] = len) -> tuple[str, int]:
    """Return the SHA-256 of names and absolute paths, in hex, and their number, passing each line to `write`."""
    digest, count, here = hashlib.sha256(), 0, Path.cwd()
    for entry in listed:
        line = format_entry(entry)
        write(line)
        digest.update(line + os.fsencode(here / entry.path) + b"\0")
        count += 1
    return digest.hexdigest(), count
