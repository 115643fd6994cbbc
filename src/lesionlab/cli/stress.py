"""`lesionlab stress`: what worse photographs, small changes and drawings do to a model's answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.remarks import note_images, say_looks
from lesionlab.cli.screen import Screen, print_json, print_table, say


def stress(
    model: options.Model,
    data: options.Data,
    split: options.Part = "test",
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="About so many images, the same share of each diagnosis [default: all]."),
    ] = None,
    split_file: options.SplitFile = None,
    source: options.Kind = None,
    views: options.Views = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write [default: RUN/stress/PART].")
    ] = None,
    seed: options.Seed = 0,
    resamples: options.Resamples = 2000,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Test how a model stands 12 corruptions in 5 severities, 17 small changes, and ink and rulers on benign lesions.

    Every image is asked about 78 times.

    Example: lesionlab stress --model runs/first --data ham10000 --count 300
    """
    from lesionlab.report.parts import Images
    from lesionlab.report.stress import stress_model

    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        command = " ".join(sys.argv)
        found = stress_model(model, images, split, count, split_file, views, out, resamples, seed, command)
    if json:
        print_json(found)
    else:
        show(found)


def show(found: Mapping[str, Any]) -> None:
    """Print the tables of a stress test, and what a reader of it must know."""
    say(f"{found['images']:,} {found['part']} images of {found['lesions']:,} lesions")
    show_corruptions(found["corruptions"])
    show_flips(found["flips"])
    show_overlays(found["overlays"])
    note_images(found["left_out"], found["trained_on"])
    say_looks(found["part"], found["looks"])
    say(f"written to {found['folder']}")


def show_corruptions(table: Mapping[str, Any]) -> None:
    """Print what each corruption costs."""
    from lesionlab.evaluation.evaluate import with_interval

    for metric, value in table["clean"].items():
        say(f"{_words(metric)} without corruption: {with_interval(value)}")
    drops = ("balanced_accuracy_drop", "melanoma_sensitivity_drop")
    rows = []
    for name, row in table["by_name"].items():
        reached = (level["balanced_accuracy"]["value"] for level in row["severities"])
        shown = " ".join("-" if value is None else f"{value:.2f}" for value in reached)
        rows.append((name, shown, *(with_interval(row["mean"][drop]) for drop in drops)))
    rows.append(("mean of all", "", *(with_interval(table["mean"][drop]) for drop in drops)))
    print_table(("corruption", "balanced accuracy at 1 to 5", "relative drop", "of melanoma sensitivity"), rows)
    for metric, worst in table["worst"].items():
        say(f"{_words(metric)} suffers most from: {worst or 'undefined'}")


def show_flips(table: Mapping[str, Any]) -> None:
    """Print how often small changes flip the diagnosis."""
    from lesionlab.evaluation.evaluate import with_interval

    rows = [(f"{kind}: {name}", figure) for kind, each in table["changes"].items() for name, figure in each.items()]
    rows += [(f"{kind}, mean", figure) for kind, figure in table["kinds"].items()]
    rows += [("mean of all changes", table["mean"]), ("flipped by any change", table["any"])]
    print_table(("small change", "share of flipped diagnoses"), [(name, with_interval(one)) for name, one in rows])
    say(f"aim: a mean below {table['aim']:.3f}; {_reached(table['met'])}")


def show_overlays(table: Mapping[str, Any]) -> None:
    """Print how many more benign images are called malignant for what is drawn over them."""
    from lesionlab.evaluation.evaluate import with_interval

    if "undefined" in table:
        say(f"ink and rulers: {table['undefined']}")
        return
    say(f"benign images called malignant (by {table['called_by']}): {with_interval(table['clean'])}")
    rows = [
        (f"{name}, severity {row['severity']}", with_interval(row["called"]), with_interval(row["rise"]))
        for name, each in table["by_name"].items()
        for row in each
    ]
    print_table(("drawn over them", "called malignant", "rise"), rows)
    say(f"aim: no rise above {table['aim']:.2f}; {_reached(table['met'])}")


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _reached(met: bool) -> str:
    return "reached" if met else "not reached"
