"""`lesionlab doubts`: labels that confident answers contradict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.screen import Screen, note, print_json, print_table, say

SHOWN = 10
"""Doubts that are printed."""


def doubts(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders that were evaluated.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="SOURCE", help="The images, for a page to look through.")
    ] = None,
    source: options.Kind = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to write table and page.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Most images on the page.")] = 120,
    json: options.Json = False,
) -> None:
    """Find labels that models contradict on images they have not learnt (test and validation answers of RUN...).

    The folds of a k-fold split, each trained and evaluated, cover a whole source.

    Example: lesionlab doubts runs/fold0 runs/fold1 runs/fold2 --data ham10000 --out doubts
    """
    from lesionlab.report.doubts import find_doubts
    from lesionlab.report.parts import Images

    with Screen() as screen:
        images = Images(data, source, progress=screen.counted) if data else None
        found = find_doubts(runs, images, out, count)
    if json:
        print_json(found)
        return
    rows = [
        (row["image_id"], row["label"], f"{row['own']:.2f}", row["answer"], f"{row['probability']:.2f}",
         f"{row['doubted']} of {row['photographs']}")
        for row in found["doubts"][:SHOWN]
    ]  # fmt: skip
    print_table(("image", "label", "probability", "answer", "probability", "photographs doubted"), rows)
    say(f"{len(found['doubts']):,} of {found['images']:,} labels are in doubt ({found['share']:.1%})")
    note("a doubt is a question to a person; most are the model's mistakes")
    if out:
        say(f"written to {out}")
