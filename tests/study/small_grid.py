"""A grid of very small networks, for the tests of the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lesionlab.study.grid import Grid, load_grid


def content() -> dict[str, Any]:
    """Return a grid as YAML would give it: two rows, a specialist, an ensemble, a Mix-Model."""
    return {
        "name": "small",
        "title": "A small study",
        "rows": [
            {"id": "rgb", "label": "Tiny, RGB", "table": 3, "number": 1, "published": {"accuracy": 0.9}},
            {"id": "gray", "label": "Tiny, grayscale", "set": {"colour": "gray"}},
            {"id": "mel-nv", "label": "melanoma or nevus", "parent": "rgb", "set": {"classes": ["mel", "nv"]}},
        ],
        "ensembles": [{"id": "both", "label": "Both", "rule": "average", "members": ["rgb", "gray"]}],
        "mixes": [
            {"id": "mix", "label": "Mix-Model", "base": "rgb", "specialists": ["mel-nv"], "routing": "paper"},
        ],
        "budgets": {
            "full": {"recipe": "tiny", "set": {"epochs": 2}},
            "smoke": {
                "recipe": "tiny",
                "set": {"epochs": 1, "size": 32, "views": 1},
                "weights": "none",
                "rows": {"gray": {"batch_size": 8}},
                "note": "smoke",
            },
        },
    }


def write(folder: Path, values: dict[str, Any] | None = None) -> str:
    """Write a grid into a folder and return its path."""
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(values or content()))
    return str(path)


def load(folder: Path, values: dict[str, Any] | None = None) -> Grid:
    """Return a grid read from a file that is written first."""
    return load_grid(write(folder, values))
