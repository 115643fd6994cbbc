"""Where a model's files lie: in a folder, or all in one .lesion file, an uncompressed zip read into memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lesionlab.archives import read_stored
from lesionlab.errors import DataError, ModelError
from lesionlab.models import hub

CARD = "bundle.json"
SUFFIX = ".lesion"
FORMAT_VERSION = 1
CARD_LIMIT = 4 * 2**20
BYTES_LIMIT = 2 * 2**30
"""Most bytes that a .lesion file may hold; an ensemble of five large networks takes half of it."""


@dataclass(frozen=True)
class Store:
    """The files of one model.

    path : the folder, or the .lesion file. contents : name -> bytes of a .lesion file, None for a folder.
    """

    path: Path
    contents: Mapping[str, bytes] | None = None

    def label(self, name: str) -> str:
        """Return what messages call a file."""
        return str(self.path / name)

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name."""
        return (self.path / name).is_file() if self.contents is None else name in self.contents

    def read(self, name: str, limit: int = BYTES_LIMIT) -> bytes:
        """Return a file's bytes; `ModelError` for one that is missing, a link, no plain file or larger than `limit`."""
        if self.contents is not None:
            if name not in self.contents:
                raise ModelError(f"{self.label(name)}: missing", "take the model anew")
            return self.contents[name]
        file = self.path / name
        try:
            if file.is_symlink() or not file.is_file():
                raise ModelError(f"{file}: missing, a link, or not a plain file", "copy the model's folder as a whole")
            if file.stat().st_size > limit:
                raise ModelError(f"{file}: far too large", "the model is damaged; take it anew")
            return file.read_bytes()
        except OSError as error:
            raise ModelError(f"{file}: cannot read: {error.strerror}", "check its permissions") from None

    def inside(self, name: str) -> Store:
        """Return the store of a model within this one; `ModelError` for a folder that is a link."""
        folder = self.path / name
        if self.contents is None:
            if folder.is_symlink():
                raise ModelError(f"{folder}: a link", "copy the model's folder as a whole")
            return Store(folder)
        start = f"{name}/"
        return Store(
            folder, {key[len(start) :]: value for key, value in self.contents.items() if key.startswith(start)}
        )


def open_store(path: Path) -> Store:
    """Return the files of the model at `path`: its folder, the run folder around that, or a .lesion file.

    hf://ORG/NAME@COMMIT names one on huggingface.co. `ModelError` when there is no model, or the file is damaged or
    too large.
    """
    if hub.is_address(path):
        path = hub.fetch(str(path))
    if path.is_file():
        if path.stat().st_size > BYTES_LIMIT:
            raise ModelError(f"{path}: far too large for a model", f"at most {BYTES_LIMIT:,} bytes are read")
        try:
            return Store(path, read_stored(path, bytes_limit=BYTES_LIMIT, entries_limit=1000))
        except DataError as error:
            raise ModelError(error.message, error.hint) from None
    folder = next((f for f in (path, path / "model") if (f / CARD).is_file()), None)
    if folder is None:
        raise ModelError(f"{path}: no model here", f"name a run folder, a folder that holds {CARD}, or a {SUFFIX} file")
    return Store(folder)


def read_card(store: Store) -> dict[str, Any]:
    """Return the content of bundle.json, of this format version; `ModelError` otherwise."""
    card, hint = store.label(CARD), "the model is damaged; take it anew"
    try:
        content = json.loads(store.read(CARD, CARD_LIMIT))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{card}: not valid JSON ({str(error)[:100]})", hint) from None
    if not isinstance(content, dict):
        raise ModelError(f"{card}: not the card of a model", hint)
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(f"{card}: format {version} is later than this program's", "install a newer lesionlab")
    return content


def card_fault(card: str, error: ValidationError) -> ModelError:
    """Return the one-line fault of a card whose content is not as it should be."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return ModelError(f"{card}: {where}: {first['msg']}", "the file was changed; take the model anew")
