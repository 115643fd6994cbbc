"""`lesionlab shortcuts`: whether a model goes by the lesion, or by something beside it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lesionlab.cli import options
from lesionlab.cli.remarks import note_images, say_looks
from lesionlab.cli.screen import Screen, note, print_json, print_table, say


def shortcuts(
    model: options.Model,
    data: options.Data,
    split: options.Part = "test",
    masks: options.Masks = None,
    split_file: options.SplitFile = None,
    source: options.Kind = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write [default: RUN/shortcuts/PART].")
    ] = None,
    resamples: options.Resamples = 2000,
    cache: options.Cache = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Compare a model with age, sex and site alone, and with itself on images whose lesion or background is hidden.

    Every image with a mask is asked about 4 times.

    Example: lesionlab shortcuts --model runs/first --data ham10000
    """
    from lesionlab.report.parts import Images
    from lesionlab.report.shortcuts import find_shortcuts

    with Screen() as screen:
        images = Images(data, source, cache, skip_bad, screen.counted)
        found = find_shortcuts(model, images, split, masks, split_file, out, resamples, " ".join(sys.argv))
    if json:
        print_json(found)
    else:
        show(found)


def show(found: Mapping[str, Any]) -> None:
    """Print both tables, what they say, and what a reader must know."""
    from lesionlab.evaluation.shortcuts import METRICS, shortcut_rows

    for name in ("metadata", "masked"):
        section = found[name]
        if "undefined" in section:
            note(f"warning: nothing is told of {name} images: {section['undefined']}")
            continue
        print_table((f"{section['images']:,} {found['part']} images", *METRICS.values()), shortcut_rows(section))
        for reading in section["readings"].values():
            say(reading)
        say()
    _remarks(found)
    note_images(found["left_out"], found["trained_on"])
    say_looks(found["part"], found["looks"])
    say(f"written to {found['folder']}")


def _remarks(found: Mapping[str, Any]) -> None:
    """Say what the baseline was fitted on, which images the masks leave out, and what falls mean."""
    if "baseline" in found["metadata"]:
        told = found["metadata"]["baseline"]
        note(
            f"age, sex and site: fitted on {told['fitted_on']:,} training images, "
            f"set on {told['chosen_on']:,} validation images"
        )
        if told["seen"]:
            note(f"warning: {told['seen']:,} of the images judged are among these; its figures are too good")
    if "left_out" in found["masked"]:
        for kind, count in Counter(one["kind"] for one in found["masked"]["left_out"]).items():
            note(f"left out of the images with a part hidden: {count:,} ({kind})")
        note(found["caution"])
