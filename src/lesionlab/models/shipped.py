"""The model that comes with the package, which answers where no other is named."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from lesionlab.errors import ModelError
from lesionlab.models.storage import CARD


def shipped_model() -> Path:
    """Return the folder of the model in the package; `ModelError` where there is none."""
    folder = Path(str(resources.files("lesionlab"))) / "shipped"
    if not (folder / CARD).is_file():
        raise ModelError(
            "no model comes with this lesionlab",
            "name one (--model, in Python load(PATH)), or train one: lesionlab train --data SOURCE --out RUN",
        )
    return folder
