"""`lesionlab compare`: is one model better than another on the same images?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import note, print_json, print_table, say

Evaluated = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Run folder that was evaluated, or a predictions.csv.")
]


def compare(
    a: Evaluated,
    b: Evaluated,
    split: Annotated[str, typer.Option("--split", metavar="test|val|kept_out|all", help="Which evaluation.")] = "test",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the table (JSON, CSV) and a picture there.")
    ] = None,
    resamples: options.Resamples = 2000,
    json: options.Json = False,
) -> None:
    """Compare two models on the same images: differences with intervals, tests, and a verdict.

    Example: lesionlab compare runs/first runs/second --out comparison
    """
    from lesionlab.report.comparing import compare_models, table_rows

    found = compare_models(a, b, split, out, resamples, " ".join(sys.argv))
    if json:
        print_json(found)
        return
    header = ("metric", "A", "B", "B - A", "95 % interval", "test", "p", "p, Holm", "better")
    print_table(header, table_rows(found))
    changed = found["answers"]
    say(f"A: {a}; B: {b}; {found['images']:,} images of {found['lesions']:,} lesions")
    say(
        f"answers changed: {changed['changed']:,}; to right {changed['to_right']:,}, to wrong {changed['to_wrong']:,}; "
        f"melanomas lost {changed['melanomas_lost']:,}, won {changed['melanomas_won']:,}"
    )
    say(found["verdict"])
    if out:
        note(f"written to {out}")
