"""`lesionlab subgroups`: what a model is worth in groups of patients and photographs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli import options
from lesionlab.cli.remarks import say_looks
from lesionlab.cli.screen import Screen, note, print_json, print_table, say

if TYPE_CHECKING:
    from lesionlab.report.evaluate_subgroups import Subgroups


def subgroups(
    model: options.Model,
    data: options.Data,
    split: options.Part = "test",
    masks: options.Masks = None,
    split_file: options.SplitFile = None,
    source: options.Kind = None,
    fewest: Annotated[int, typer.Option("--fewest", min=1, help="Fewest images of a group that has figures.")] = 50,
    fewest_of_kind: Annotated[
        int, typer.Option("--fewest-of-kind", min=1, help="Fewest images of each kind that a figure compares.")
    ] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write [default: RUN/evaluation/PART].")
    ] = None,
    resamples: options.Resamples = 2000,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Evaluate a model by age, sex, site, source, dx_type, traits of the photographs and size of the lesions.

    Example: lesionlab subgroups --model runs/first --data ham10000
    """
    from lesionlab.evaluation.slices import Guard
    from lesionlab.report.evaluate_subgroups import evaluate_subgroups
    from lesionlab.report.parts import Images

    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        guard = Guard(fewest, fewest_of_kind)
        found = evaluate_subgroups(model, images, split, masks, split_file, out, resamples, guard, " ".join(sys.argv))
    if json:
        print_json(asdict(found))
    else:
        show(found)


def show(found: Subgroups) -> None:
    """Print the table of the groups, the worst of them, and what a reader must know."""
    from lesionlab.evaluation.slices import METRICS
    from lesionlab.evaluation.subgroups import group_rows, worst_rows

    print_table((f"{found.part} images", "group", "images", "mel", *METRICS.values()), group_rows(found.result))
    say("* the difference to all other images has a 95 % interval that leaves out 0")
    rows = worst_rows(found.result)
    if rows:
        print_table(("metric", "worst group", "against all other images", "allowing for many groups"), rows)
        note(found.result["caution"])
    if found.asked:
        note("the model was asked for its answers: there was no evaluation of this part whose answers fit")
    say_looks(found.part, found.looks)
    say(f"written to {found.folder}")
