"""What a command's PATH arguments mean: files, folders, patterns, and `-` for a list on standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from lesionlab.data.images import IMAGE_SUFFIXES
from lesionlab.errors import DataError, some


def find_images(arguments: Iterable[str]) -> list[Path]:
    """Return the image files that the arguments name, each once, in the order of the arguments.

    A file is taken whatever its suffix; a folder stands for every file below it with a suffix of an image, by
    name, hidden ones and linked folders left out; a pattern (`*`, `?`, `[...]`, `**`) for what it matches; `-`
    for the paths on standard input, one a line. What does not exist, and a folder without images, is returned as
    it is, to be refused by name beside the answers of the others.

    Raises `DataError` when no argument leads to a file.
    """
    given = list(arguments)
    found = list(dict.fromkeys(path for argument in given for path in _expand(argument)))
    if not any(path.is_file() for path in found):
        named = some(given, 3)
        raise DataError(f"no image found in: {named or 'nothing'}", "name image files, folders or patterns")
    return found


def _expand(argument: str) -> Iterator[Path]:
    """Yield what one argument stands for."""
    if argument == "-":
        for line in sys.stdin.buffer:
            if name := os.fsdecode(line.rstrip(b"\r\n")):
                yield from _folder_or_file(Path(name))
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        for match in matches or [argument]:
            yield from _folder_or_file(Path(match))
    else:
        yield from _folder_or_file(Path(argument))


def _folder_or_file(path: Path) -> Iterator[Path]:
    """Yield the images below a folder, or the path itself where it is none or has none."""
    images = list(_images_below(path)) if path.is_dir() else []
    yield from images or [path]


def _images_below(folder: Path) -> Iterator[Path]:
    """Yield the image files below `folder`, folder by folder, by name."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(place, name)
