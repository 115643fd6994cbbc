"""What a study draws and measures once: made again only when what it was made of has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lesionlab
from lesionlab.files import read_json, write_json

FOLDER = "kept"
"""Where a study notes what its files were made of."""


def kept(out: Path, name: str, made_of: Any, make: Callable[[], Iterable[Path]]) -> list[Path]:
    """Return the files in `out` that `make` writes: those of an earlier call, if they were made of the same.

    Files of an earlier call that are not made any more are deleted.

    Parameters
    ----------
    name : of the stage, unique in the study. made_of : all that shapes the files, ready for JSON; the version of
        lesionlab counts too.
    """
    note = out / FOLDER / f"{name}.json"
    mark = hashlib.sha256(json.dumps([lesionlab.__version__, made_of]).encode()).hexdigest()
    before = read_json(note) if note.is_file() else {"mark": "", "files": []}
    earlier = [out / file for file in before["files"]]
    if before["mark"] == mark and all(file.is_file() for file in earlier):
        return earlier
    files = list(make())
    for file in set(earlier) - set(files):
        file.unlink(missing_ok=True)
    write_json(note, {"mark": mark, "files": [str(file.relative_to(out)) for file in files]})
    return files
