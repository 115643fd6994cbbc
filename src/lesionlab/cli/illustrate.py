"""`lesionlab study illustrate`: a study's pictures and maps, for its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, say


def illustrate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the study.")],
    data: options.Data,
    masks: options.Masks = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Images on which maps are measured.")] = 300,
    resamples: options.Resamples = 2000,
    source: options.Kind = None,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Draw the source's figures and the models' Grad-CAM maps, and measure the maps against lesion masks.

    What is there already, made of the same models and images, stays. An image without a mask is left out, and told.

    Example: lesionlab study illustrate studies/paper --data ham10000
    """
    from lesionlab.report.parts import Images
    from lesionlab.study.illustrate import illustrate as draw

    with Screen() as screen:
        found = draw(out, Images(data, source, cache, skip_bad, screen.counted), masks, count, resamples)
    for remark in found.remarks:
        note(remark)
    if json:
        print_json([str(path) for path in found.files])
        return
    for path in found.files:
        say(str(path))
