"""`lesionlab report`: everything known of a model on one part, as a page to review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, print_json, say


def report(
    model: options.Model,
    split: options.Part = "test",
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="SOURCE", help="The images: shows the surest mistakes with their maps."),
    ] = None,
    source: options.Kind = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write [default: RUN/report/PART].")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write what `evaluate`, `subgroups`, `stress` and the others found as one HTML page, with tables and JSON.

    Nothing is asked anew: what was not done is named, with its command. Without --data no photograph is shown.

    Example: lesionlab report --model runs/first --data ham10000
    """
    from lesionlab.report.evidence.page import report_model
    from lesionlab.report.parts import Images

    with Screen() as screen:
        images = Images(data, source, progress=screen.counted) if data else None
        page, missing = report_model(model, split, images, out)
    if json:
        print_json({"page": str(page), "not_asked": missing})
        return
    for name, command in missing.items():
        say(f"not asked: {name} ({command})")
    say(f"written to {page}")
