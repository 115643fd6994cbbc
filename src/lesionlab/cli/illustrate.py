"""`lesionlab study illustrate`: a study's pictures and maps, for its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, say


def illustrate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the study.")],
    data: options.Data,
    masks: Annotated[
        Path | None, typer.Option("--masks", metavar="DIR", help="Lesion masks, ID_segmentation.png [default: SOURCE].")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Images on which maps are measured.")] = 300,
    resamples: options.Resamples = 2000,
    source: options.Kind = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Draw the source's figures and the models' Grad-CAM maps, and measure the maps against lesion masks.

    Example: lesionlab study illustrate studies/paper --data ham10000
    """
    from lesionlab.study.illustrate import illustrate as draw

    with Screen() as screen:
        files = draw(out, data, masks, count, source, resamples, cache, skip_bad, screen.counted)
    if json:
        print_json([str(path) for path in files])
        return
    for path in files:
        say(str(path))
