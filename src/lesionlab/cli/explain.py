"""`lesionlab explain`: heat maps of where the network looked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options


def explain(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Images, folders or globs.")],
    model: options.Model,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the pictures.")],
    target: Annotated[
        str | None, typer.Option("--class", metavar="DX", help="Explain this diagnosis [default: the predicted one].")
    ] = None,
    panel: Annotated[bool, typer.Option("--panel", help="One picture per image with the maps of all classes.")] = False,
    json: options.Json = False,
) -> None:
    """Write Grad-CAM overlays: which parts of an image spoke for a diagnosis.

    Example: lesionlab explain photos/lesion.jpg --model runs/first --out maps --panel
    """
