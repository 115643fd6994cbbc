"""`lesionlab study report`: the study's page, figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import print_json, say


def report(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the study.")],
    without_photographs: Annotated[
        bool, typer.Option("--without-photographs", help="Leave out every picture that shows a photograph.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write the report [default: OUT/report].")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write the report of a study: one HTML file, figures as PNG, tables as CSV and Markdown, results as JSON.

    Example: lesionlab study report studies/paper --without-photographs --out docs/paper
    """
    from lesionlab.study.report import write_report

    page = write_report(out, not without_photographs, to)
    if json:
        print_json({"page": str(page), "photographs": not without_photographs})
    else:
        say(f"written to {page}")
