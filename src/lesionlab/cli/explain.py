"""`lesionlab explain`: heat maps of where the network looked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.predict import watched
from lesionlab.cli.screen import Screen, print_json, print_table, say


def explain(
    paths: options.Images,
    model: options.Model,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the pictures.")],
    target: Annotated[
        str | None, typer.Option("--class", metavar="DX", help="Explain this diagnosis [default: the predicted one].")
    ] = None,
    panel: Annotated[
        bool, typer.Option("--panel", help="Show the maps of all seven diagnoses in one picture.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Write Grad-CAM overlays: which parts of an image speak for a diagnosis.

    Example: lesionlab explain photos/lesion.jpg --model runs/first --out maps --panel
    """
    from lesionlab.models.composite import read_model
    from lesionlab.prediction.paths import find_images
    from lesionlab.report.heatmaps import Explanation, explain_images

    images = find_images(paths)
    with Screen() as screen:
        results = list(watched(explain_images(read_model(model), images, out, target, panel), len(images), screen))
    found = [result for result in results if isinstance(result, Explanation)]
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.image_id, one.diagnosis, f"{one.probability:.3f}", one.explained, str(one.picture)) for one in found]
    print_table(("image", "diagnosis", "probability", "explained", "picture"), rows)
    say(f"{len(found)} pictures written to {out}")
